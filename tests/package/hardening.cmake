# The program is position-independent, resolves its symbols at its start, write-protects their tables, has no executable stack,
# and checks its stack frames, its containers' bounds and (in a Release build, FORTIFIED) its calls of glibc.
find_program(readelf readelf REQUIRED)
execute_process(COMMAND ${readelf} --wide --file-header --program-headers --dynamic ${PROGRAM}
                OUTPUT_VARIABLE found COMMAND_ERROR_IS_FATAL ANY)
foreach(property "Type: +DYN" "GNU_RELRO" "BIND_NOW" "NOW PIE" "GNU_STACK[^\n]* RW ")
  if(NOT found MATCHES "${property}")
    message(FATAL_ERROR "${PROGRAM} lacks \"${property}\":\n${found}")
  endif()
endforeach()

execute_process(COMMAND ${readelf} --wide --dyn-syms ${PROGRAM} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
set(checks "__stack_chk_fail" "__glibcxx_assert_fail")
if(FORTIFIED)
  list(APPEND checks "__(snprintf|memcpy|memmove|read|fprintf|vsnprintf|realpath|fdelt)_chk")
endif()
foreach(check IN LISTS checks)
  if(NOT symbols MATCHES "${check}")
    message(FATAL_ERROR "${PROGRAM} is built without \"${check}\"")
  endif()
endforeach()
