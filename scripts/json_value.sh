# For scripts to source.

# The number under the key $1 of the JSON object on standard input, one line per object.
value_of() { sed -nE 's/.*"'"$1"'": *([-+0-9.eE]+).*/\1/p'; }
