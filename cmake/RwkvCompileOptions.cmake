# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Compiler launcher, linker and warnings, for C and C++ alike.
find_program(RWKV_CCACHE ccache)
if(RWKV_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER "${RWKV_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${RWKV_CCACHE}")
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  find_program(RWKV_LLD NAMES ld.lld-22 ld.lld HINTS /usr/lib/llvm-22/bin)
  if(RWKV_LLD)
    add_link_options("-fuse-ld=${RWKV_LLD}")
  endif()
endif()

add_library(rwkv_warnings INTERFACE)
target_compile_options(rwkv_warnings INTERFACE -Wall -Wextra -Wno-unused-parameter
  $<$<BOOL:${RWKV_WERROR}>:-Werror>)
