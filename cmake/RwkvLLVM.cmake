# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# The LLVM pin, and the three kinds of compiler library: dialect, pass, plain.
set(RWKV_LLVM_VERSION 22.1)
set(RWKV_LLVM_PREFIX /usr/lib/llvm-22 CACHE PATH "Where LLVM and MLIR ${RWKV_LLVM_VERSION} are installed")
find_package(MLIR ${RWKV_LLVM_VERSION} REQUIRED CONFIG HINTS "${RWKV_LLVM_PREFIX}/lib/cmake/mlir")
find_package(LLD ${RWKV_LLVM_VERSION} REQUIRED CONFIG HINTS "${RWKV_LLVM_PREFIX}/lib/cmake/lld")

set(LLVM_RUNTIME_OUTPUT_INTDIR ${CMAKE_BINARY_DIR}/bin)
set(LLVM_LIBRARY_OUTPUT_INTDIR ${CMAKE_BINARY_DIR}/lib)
set(MLIR_BINARY_DIR ${CMAKE_BINARY_DIR})
# Everything upstream comes from the two shared libraries of the distribution.
set(LLVM_LINK_LLVM_DYLIB ON)
set(MLIR_LINK_MLIR_DYLIB ON)
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)
separate_arguments(RWKV_LLVM_DEFINITIONS NATIVE_COMMAND ${LLVM_DEFINITIONS})

add_library(rwkv_llvm INTERFACE)
target_include_directories(rwkv_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_include_directories(rwkv_llvm INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
target_compile_definitions(rwkv_llvm INTERFACE ${RWKV_LLVM_DEFINITIONS})
# LLVM is built without exceptions; RTTI stays on, as in the distribution's build.
target_compile_options(rwkv_llvm INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>)
target_link_libraries(rwkv_llvm INTERFACE MLIR LLVM)

# mlir_tablegen takes its include paths from the directory.
include_directories(${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})

# add_rwkv_library(<name> SOURCES .. LIBS .. DEPENDS ..): a static library of the compiler. LIBS is the whole list of
# project libraries that it may use: the layering is this list.
function(add_rwkv_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC rwkv_llvm ${ARG_LIBS} PRIVATE rwkv_warnings)
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()
