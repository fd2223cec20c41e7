# Completion of hilum for bash. What there is to complete comes from 'hilum help', so there is no second list of options.

_hilum() {
    local program=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]}
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ] || { [ "$COMP_CWORD" -eq 2 ] && [ "$verb" = help ]; }; then
        local verbs
        verbs=$("$program" help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$word")
        return
    fi
    # One call of the program for each verb and shell.
    declare -gA _hilum_pages
    [ -n "${_hilum_pages[$verb]-}" ] || _hilum_pages[$verb]=$("$program" help "$verb" 2>/dev/null)
    local page=${_hilum_pages[$verb]}
    if [[ $word == -* ]]; then
        local options
        options=$(sed -n 's/^ \{2,6\}\(-[a-zA-Z], \)\{0,1\}\(--[a-z][a-z-]*\).*/\2/p' <<<"$page")
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
        return
    fi
    # An option whose value is one of a few words: 'NAME  text: keep (default) or delete', 'case, image or report: …'.
    if [[ $before == -* ]]; then
        local text choices
        text=$(sed -n "s/^ \{2,6\}\(-[a-zA-Z], \)\{0,1\}$before [A-Z][A-Z]*  *\([a-z0-9-]*, .* or [a-z0-9-]*\|[a-z0-9-]* or [a-z0-9-]*\)\([:,; (].*\)\{0,1\}$/\2/p" <<<"$page")
        if [ -n "$text" ]; then
            choices=${text//,/}
            choices=${choices// or / }
            mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
            [ "${#COMPREPLY[@]}" -eq 0 ] || return
        fi
    fi
    if [ "$verb" = reembed ] || [ "$verb" = model ]; then
        local words
        words=$(sed -n "s/^\(usage:\|      \) [^ ]* $verb \([a-z]*\) .*/\2/p" <<<"$page")
        [ "$COMP_CWORD" -ne 2 ] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    fi
    # Archives, models and files.
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word")
    compopt -o filenames 2>/dev/null
}

complete -F _hilum hilum
