# PkgConfig::openblas, in its OpenMP flavour. Debian keeps each flavour in a folder of its own and lets update-alternatives
# choose what the plain name `openblas` means; the pthread flavour would start a second set of threads beside ours.
find_package(PkgConfig REQUIRED)
block(SCOPE_FOR VARIABLES)
  set(saved_path "$ENV{PKG_CONFIG_PATH}")
  set(ENV{PKG_CONFIG_PATH} "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp/pkgconfig:${saved_path}")
  pkg_check_modules(openblas REQUIRED QUIET IMPORTED_TARGET GLOBAL openblas)
  pkg_get_variable(openblas_build openblas openblas_config)
  set(ENV{PKG_CONFIG_PATH} "${saved_path}")
  if(NOT openblas_build MATCHES "USE_OPENMP=1")
    message(FATAL_ERROR "This OpenBLAS is not its OpenMP flavour: ${openblas_LINK_LIBRARIES} (on Debian: libopenblas-openmp-dev)")
  endif()
endblock()
