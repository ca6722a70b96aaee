# The program is position-independent, resolves its symbols at its start, write-protects their tables and has no executable stack.
find_program(readelf readelf REQUIRED)
execute_process(COMMAND ${readelf} --wide --file-header --program-headers --dynamic ${PROGRAM}
                OUTPUT_VARIABLE found COMMAND_ERROR_IS_FATAL ANY)
foreach(property "Type: +DYN" "GNU_RELRO" "BIND_NOW" "NOW PIE" "GNU_STACK[^\n]* RW ")
  if(NOT found MATCHES "${property}")
    message(FATAL_ERROR "${PROGRAM} lacks \"${property}\":\n${found}")
  endif()
endforeach()
