# Helpers that every directory of the tree uses to declare libraries, tools,
# TableGen outputs and unit tests.

# compress_add_library(<name> <source>... [DEPENDS <target>...] [LINK_LIBS <lib>...] [NO_MLIR])
#
# A static, position-independent, installed library. Links the shared libMLIR
# and libLLVM unless NO_MLIR is given (the runtime).
function(compress_add_library name)
  cmake_parse_arguments(ARG "NO_MLIR" "" "DEPENDS;LINK_LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  add_library(Compress::${name} ALIAS ${name})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_include_directories(${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
    $<INSTALL_INTERFACE:include>)
  target_link_libraries(${name} PUBLIC ${ARG_LINK_LIBS})
  if(NOT ARG_NO_MLIR)
    target_include_directories(${name} SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
    target_compile_definitions(${name} PUBLIC ${LLVM_DEFINITIONS_LIST})
    target_link_libraries(${name} PUBLIC MLIR LLVM)
    if(NOT LLVM_ENABLE_ASSERTIONS)
      target_compile_options(${name} PUBLIC
        "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-include compress/Support/MatchLLVM.h>")
    endif()
  endif()
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  # Generated headers of every folder must exist before any source compiles.
  if(NOT ARG_NO_MLIR)
    add_dependencies(${name} compress-headers)
  endif()
  install(TARGETS ${name} EXPORT CompressTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endfunction()

# compress_add_tool(<name> <source>... [LINK_LIBS <lib>...] [NO_MLIR])
#
# An installed executable, placed in <build>/bin.
function(compress_add_tool name)
  cmake_parse_arguments(ARG "NO_MLIR" "" "LINK_LIBS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${ARG_LINK_LIBS})
  if(NOT ARG_NO_MLIR)
    add_dependencies(${name} compress-headers)
  endif()
  install(TARGETS ${name} EXPORT CompressTargets RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# compress_tablegen(<td> <generator args>... -> via pairs OUT GEN)
#   compress_tablegen(FILE.td  FILE.h.inc "-gen-op-decls;-dialect=x" ...)
# Adds each output to the `compress-headers` target.
function(compress_tablegen td)
  set(LLVM_TARGET_DEFINITIONS ${td})
  set(args ${ARGN})
  list(LENGTH args count)
  math(EXPR last "${count} - 1")
  foreach(i RANGE 0 ${last} 2)
    math(EXPR j "${i} + 1")
    list(GET args ${i} out)
    list(GET args ${j} gen)
    string(REPLACE " " ";" gen "${gen}")
    mlir_tablegen(${out} ${gen} EXTRA_INCLUDES ${MLIR_INCLUDE_DIRS} ${PROJECT_SOURCE_DIR}/include)
  endforeach()
  string(REPLACE "/" "_" rel "${CMAKE_CURRENT_SOURCE_DIR}/${td}")
  string(MD5 hash "${rel}")
  string(SUBSTRING "${hash}" 0 8 hash)
  get_filename_component(base ${td} NAME_WE)
  set(target "compress-gen-${base}-${hash}")
  add_custom_target(${target} DEPENDS ${TABLEGEN_OUTPUT})
  add_dependencies(compress-headers ${target})
endfunction()

# compress_add_doc(<td> <output name under docs/generated> <generator args>)
function(compress_add_doc td out gen)
  set(LLVM_TARGET_DEFINITIONS ${td})
  string(REPLACE " " ";" gen "${gen}")
  tablegen(MLIR ${out} ${gen} EXTRA_INCLUDES ${MLIR_INCLUDE_DIRS} ${PROJECT_SOURCE_DIR}/include)
  set(dest "${PROJECT_BINARY_DIR}/docs/${out}")
  add_custom_command(OUTPUT ${dest}
    COMMAND ${CMAKE_COMMAND} -E copy "${CMAKE_CURRENT_BINARY_DIR}/${out}" ${dest}
    DEPENDS "${CMAKE_CURRENT_BINARY_DIR}/${out}")
  string(MAKE_C_IDENTIFIER "${out}" id)
  add_custom_target(compress-doc-${id} DEPENDS ${dest})
  add_dependencies(compress-doc compress-doc-${id})
endfunction()

# compress_add_unittest(<name> <source>... [LINK_LIBS <lib>...])
#
# A GoogleTest binary in <build>/unittests; lit runs every one it finds there.
function(compress_add_unittest name)
  cmake_parse_arguments(ARG "" "" "LINK_LIBS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/unittests)
  target_link_libraries(${name} PRIVATE ${ARG_LINK_LIBS} GTest::gtest GTest::gtest_main)
  add_dependencies(compress-unittests ${name})
endfunction()
