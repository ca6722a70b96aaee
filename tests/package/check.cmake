# Installs the build in BUILD into a folder below it, builds the consumer against that and runs it.
set(work ${BUILD}/package-test)
file(REMOVE_RECURSE ${work})
foreach(command
        "${CMAKE_COMMAND};--install;${BUILD};--prefix;${work}/prefix"
        "${CMAKE_COMMAND};-G;Ninja;-S;${CMAKE_CURRENT_LIST_DIR};-B;${work}/build;-DCMAKE_PREFIX_PATH=${work}/prefix;-DCMAKE_CXX_COMPILER=${CXX};-DCMAKE_CXX_FLAGS=${FLAGS}"
        "${CMAKE_COMMAND};--build;${work}/build"
        "${work}/build/consumer"
        "${work}/prefix/bin/cosformer;--help")
  execute_process(COMMAND ${command} COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
endforeach()
# The manual has every verb, and the docs and the completion are where Debian looks for them.
file(READ ${work}/prefix/share/man/man1/cosformer.1 manual)
foreach(verb train eval generate sweep report inspect config data bench doctor "config list" "bench step")
  if(NOT manual MATCHES ".SS \"cosformer ${verb}\"")
    message(FATAL_ERROR "cosformer.1 lacks ${verb}")
  endif()
endforeach()
foreach(file doc/cosformer/docs/sweeps.md doc/cosformer/README.md bash-completion/completions/cosformer)
  if(NOT EXISTS ${work}/prefix/share/${file})
    message(FATAL_ERROR "share/${file} is not installed")
  endif()
endforeach()
