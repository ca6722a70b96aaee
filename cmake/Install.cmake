# `cmake --install`, a Debian package (`cpack`), and what find_package(cosformer) needs.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cosformer)
set(libraries core autograd layers data store optimizers config tasks exchange loop experiments train)
set(folders core autograd layers data train)

install(TARGETS cosformer_flags EXPORT cosformerTargets)
set_target_properties(cosformer_flags PROPERTIES EXPORT_NAME flags)
foreach(library IN LISTS libraries)
  set_target_properties(cosformer_${library} PROPERTIES EXPORT_NAME ${library})
  install(TARGETS cosformer_${library} EXPORT cosformerTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endforeach()
foreach(folder IN LISTS folders)
  install(DIRECTORY ${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cosformer FILES_MATCHING PATTERN "*.h"
          PATTERN "cli" EXCLUDE)
endforeach()
# The program finds OpenBLAS in its flavour's own folder.
set_target_properties(cosformer PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
install(TARGETS cosformer RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/cosformer)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES scripts/completion.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME cosformer)
# The manual is what the program says of itself.
add_custom_command(OUTPUT cosformer.1 DEPENDS cosformer scripts/write_man_page VERBATIM
                   COMMAND ${PROJECT_SOURCE_DIR}/scripts/write_man_page $<TARGET_FILE:cosformer> > cosformer.1.part
                   COMMAND ${CMAKE_COMMAND} -E rename cosformer.1.part cosformer.1)
add_custom_target(manual ALL DEPENDS ${PROJECT_BINARY_DIR}/cosformer.1)
install(FILES ${PROJECT_BINARY_DIR}/cosformer.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

install(EXPORT cosformerTargets NAMESPACE cosformer:: DESTINATION ${package_dir})
configure_package_config_file(cmake/cosformerConfig.cmake.in cosformerConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(cosformerConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cosformerConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/cosformerConfigVersion.cmake
              cmake/OpenBlas.cmake DESTINATION ${package_dir})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "cosformer maintainers <maintainers@cosformer.invalid>")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# The shared library's name is the same in all flavours of OpenBLAS: the computed dependency would accept any of them.
set(CPACK_DEBIAN_PACKAGE_DEPENDS libopenblas0-openmp)
# What find_package(cosformer) looks for: programs that are built on the libraries need it, cosformer itself does not.
string(CONCAT CPACK_DEBIAN_PACKAGE_SUGGESTS
    "libopenblas-openmp-dev, libspdlog-dev, nlohmann-json3-dev, libtomlplusplus-dev, libxxhash-dev, libpcre2-dev, libutf8proc-dev, "
    "libpng-dev, libsentencepiece-dev, libzstd-dev, zlib1g-dev, pkg-config, openmpi-bin, libopenmpi-dev")
set(CPACK_STRIP_FILES ON)
include(CPack)
