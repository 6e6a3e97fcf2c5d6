# Installation: headers, libraries, tools and the CMake package, so that
# `find_package(Compress)` gives Compress::<library> targets.
include(CMakePackageConfigHelpers)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION include
        FILES_MATCHING PATTERN "*.h" PATTERN "*.td" PATTERN "*.def")
install(DIRECTORY ${PROJECT_BINARY_DIR}/include/ DESTINATION include
        FILES_MATCHING PATTERN "*.h.inc" PATTERN "*.h" PATTERN "CMakeFiles" EXCLUDE)
set(COMPRESS_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Compress)
install(EXPORT CompressTargets NAMESPACE Compress:: DESTINATION ${COMPRESS_CMAKE_DIR})
configure_package_config_file(cmake/CompressConfig.cmake.in
  ${PROJECT_BINARY_DIR}/CompressConfig.cmake INSTALL_DESTINATION ${COMPRESS_CMAKE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/CompressConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/CompressConfig.cmake
              ${PROJECT_BINARY_DIR}/CompressConfigVersion.cmake llvm-version.txt
        DESTINATION ${COMPRESS_CMAKE_DIR})
