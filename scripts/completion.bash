# Completion of cosformer's command line for bash (zsh: `autoload -U bashcompinit; bashcompinit`, then source this file).
# The program itself says what there is: its verbs, the flags of each, and the keys of configs after --set.

_cosformer_names() { sed -nE 's/^  ([a-z]+)  .*/\1/p'; }
_cosformer_flags() { grep -oE -- '(^|[ ,])--?[a-z][a-z-]*' | tr -d ' ,'; }

_cosformer() {
  local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local verb=${COMP_WORDS[1]} words help
  local -a call=("$program")
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "$("$program" --help 2>/dev/null | _cosformer_names) --help --version" -- "$current")
    return
  fi
  call+=("$verb")
  help=$("${call[@]}" --help 2>/dev/null)
  if [[ $help == *' VERB [arguments]'* ]]; then
    if ((COMP_CWORD == 2)); then
      mapfile -t COMPREPLY < <(compgen -W "$(_cosformer_names <<<"$help") --help" -- "$current")
      return
    fi
    help=$("${call[@]}" "${COMP_WORDS[2]}" --help 2>/dev/null)
  fi
  # A key, or KEY=VALUE of which the key is written: then nothing is known.
  if [[ $previous == --set || ($verb == config && ${COMP_WORDS[2]} == explain && $COMP_CWORD == 3) ]]; then
    words=$("$program" config list 2>/dev/null | sed -nE 's/^([a-z_]+\.[a-z_]+) = .*/\1/p')
    if [[ $previous == --set ]]; then
      compopt -o nospace 2>/dev/null
      words=$(sed 's/$/=/' <<<"$words")
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    return
  fi
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_cosformer_flags <<<"$help")" -- "$current")
    return
  fi
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$current")
}
complete -F _cosformer cosformer
