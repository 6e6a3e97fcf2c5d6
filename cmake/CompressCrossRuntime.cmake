# The runtime for other architectures, so that `compress-compile --target-triple`
# can link a library for them: built wherever Debian's cross compiler is.
set(COMPRESS_CROSS_TRIPLES aarch64-linux-gnu CACHE STRING
    "Architectures, besides this one, whose models can be linked")

# compress_add_cross_runtime(<triple> <source>...)
#
# <build>/lib/<triple>/libCompressRuntime.a by <triple>-g++; nothing without it.
function(compress_add_cross_runtime triple)
  string(MAKE_C_IDENTIFIER ${triple} id)
  find_program(COMPRESS_CXX_${id} ${triple}-g++)
  find_program(COMPRESS_AR_${id} ${triple}-ar)
  if(CMAKE_LIBRARY_ARCHITECTURE STREQUAL triple OR NOT COMPRESS_CXX_${id} OR NOT COMPRESS_AR_${id})
    message(STATUS "No runtime for ${triple} (install g++-${triple} for one)")
    return()
  endif()
  set(folder ${PROJECT_BINARY_DIR}/lib/${triple})
  file(MAKE_DIRECTORY ${folder})
  set(objects "")
  foreach(source ${ARGN})
    set(object ${folder}/${source}.o)
    add_custom_command(OUTPUT ${object}
      COMMAND ${COMPRESS_CXX_${id}} -std=c++${CMAKE_CXX_STANDARD} -O2 -DNDEBUG -fPIC -fopenmp
              -fvisibility=hidden -fvisibility-inlines-hidden -ffunction-sections
              -DCOMPRESS_LOAD_ZSTD -I${PROJECT_SOURCE_DIR}/include -MD -MF ${object}.d -MT ${object}
              -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source} DEPFILE ${object}.d
      COMMENT "Building ${source} for ${triple}" VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  set(archive ${folder}/libCompressRuntime.a)
  add_custom_command(OUTPUT ${archive}
    COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
    COMMAND ${COMPRESS_AR_${id}} rcs ${archive} ${objects}
    DEPENDS ${objects} COMMENT "Linking the runtime for ${triple}" VERBATIM)
  add_custom_target(CompressRuntime-${triple} ALL DEPENDS ${archive})
  add_dependencies(CompressRuntime CompressRuntime-${triple})
  install(FILES ${archive} DESTINATION ${CMAKE_INSTALL_LIBDIR}/${triple})
endfunction()
