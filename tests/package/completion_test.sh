#!/usr/bin/env bash
# What bash would complete, asked of the function that completes it.
#
#     completion_test.sh PROGRAM COMPLETION
set -uo pipefail
program=$1
source "$2"
failures=0

# expect WORD… -- WANTED…: completing the last WORD of a command line offers each WANTED; with "!" before it, does not.
expect() {
  local -a words=("$program") wanted=()
  while [[ $1 != -- ]]; do words+=("$1"); shift; done
  shift; wanted=("$@")
  COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1)) COMPREPLY=()
  _cosformer
  for want in "${wanted[@]}"; do
    local name=${want#!} found=no
    for reply in "${COMPREPLY[@]}"; do [[ $reply == "$name" ]] && found=yes; done
    if [[ ($want == !* && $found == yes) || ($want != !* && $found == no) ]]; then
      echo "completing '${words[*]:1}': expected $want, found: ${COMPREPLY[*]}" >&2
      failures=$((failures + 1))
    fi
  done
}

expect '' -- train eval generate report --help
expect ge -- generate !train
expect generate -- generate
expect generate run --tok -- --tokens '!--top-k' '!--prompt'
expect generate run --top -- --top-k --top-p
expect config sh -- show '!list'
expect config show --j -- --json
expect data make '' -- '!--prompt'
expect train c.toml --set model.num_ -- model.num_layers= model.num_heads= '!task.seq_len='
expect config explain optimizer.learning -- optimizer.learning_rate
cd "$(dirname "$2")" && expect eval write_man -- write_man_page
exit $((failures > 0))
