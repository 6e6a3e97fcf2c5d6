# Locates the distribution's LLVM/MLIR and checks it against llvm-version.txt.
#
# `find_package(MLIR <version>)` fails with Debian's package (its version file
# accepts exact matches only), so ask without a version and check the major.
file(STRINGS "${CMAKE_CURRENT_SOURCE_DIR}/llvm-version.txt" COMPRESS_LLVM_MAJOR LIMIT_COUNT 1)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             "${CMAKE_CURRENT_SOURCE_DIR}/llvm-version.txt")

if(NOT DEFINED MLIR_DIR AND EXISTS "/usr/lib/llvm-${COMPRESS_LLVM_MAJOR}/lib/cmake/mlir")
  set(MLIR_DIR "/usr/lib/llvm-${COMPRESS_LLVM_MAJOR}/lib/cmake/mlir" CACHE PATH "MLIR package")
endif()
find_package(MLIR REQUIRED CONFIG)
if(NOT LLVM_VERSION_MAJOR EQUAL COMPRESS_LLVM_MAJOR)
  message(FATAL_ERROR
    "compress is pinned to LLVM/MLIR ${COMPRESS_LLVM_MAJOR} (llvm-version.txt), but "
    "${MLIR_DIR} is version ${LLVM_PACKAGE_VERSION}. Install "
    "libmlir-${COMPRESS_LLVM_MAJOR}-dev or pass -DMLIR_DIR=<prefix>/lib/cmake/mlir.")
endif()
message(STATUS "Using MLIR ${LLVM_PACKAGE_VERSION} from ${MLIR_DIR}")

list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)
separate_arguments(LLVM_DEFINITIONS_LIST NATIVE_COMMAND "${LLVM_DEFINITIONS}")
