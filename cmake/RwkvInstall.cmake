# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# What an installation holds: the runtime with its header, CMake package and pkg-config file; the tools and their specs.
include(CMakePackageConfigHelpers)

set(RWKV_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/rwkv_rt")
set_target_properties(rwkv_rt_shared PROPERTIES EXPORT_NAME rt)
install(TARGETS rwkv_rt_shared EXPORT rwkv_rtTargets INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT rwkv_rtTargets NAMESPACE rwkv:: DESTINATION "${RWKV_CMAKE_DIR}")
# The package file describes the static library itself: what it needs is found on the machine that uses it.
install(TARGETS rwkv_rt)
install(FILES "${PROJECT_SOURCE_DIR}/runtime/rwkv_rt.h" TYPE INCLUDE)

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/rwkv_rtConfig.cmake.in" rwkv_rtConfig.cmake
  INSTALL_DESTINATION "${RWKV_CMAKE_DIR}"
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(rwkv_rtConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/rwkv_rtConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/rwkv_rtConfigVersion.cmake"
  DESTINATION "${RWKV_CMAKE_DIR}")

# The .pc file finds its prefix from where it lies.
file(RELATIVE_PATH RWKV_PC_TO_PREFIX "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
string(REGEX REPLACE "/$" "" RWKV_PC_TO_PREFIX "${RWKV_PC_TO_PREFIX}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/rwkv_rt.pc.in" rwkv_rt.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/rwkv_rt.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

if(TARGET rwkv-opt AND TARGET rwkv-run)
  set_target_properties(rwkv-opt rwkv-run PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
  install(TARGETS rwkv-opt rwkv-run)
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/examples/" DESTINATION "${CMAKE_INSTALL_DATADIR}/rwkv-mlir/specs"
    FILES_MATCHING PATTERN "*.mlir"
    PATTERN models EXCLUDE
    PATTERN train EXCLUDE)
endif()
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" TYPE DOC)
