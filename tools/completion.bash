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
    # An option whose value is one of a few words: 'case, image or report: what is compared', 'what becomes of it: keep or delete'.
    if [[ $before == -* ]]; then
        local text part
        text=$(awk -v option="$before" '
            /^ +-/ { isIn = 0; for (i = 1; i <= 2; i++) if ($i == option || $i == option ",") isIn = 1 }
            !/^ / { isIn = 0 }
            isIn { print }' <<<"$page" | tr -s ' \n' '  ' | sed 's/ ([^)]*)//g; s/ \[[A-Z_]*\]//g; s/^ *\(-., \)\{0,1\}--[a-z-]* [A-Z]* //; s/ *$//')
        for part in "${text%%:*}" "${text#*: }"; do
            [[ $part =~ ^[a-z0-9-]+(, [a-z0-9-]+)*((, | or )[a-z0-9-]+)$ ]] || continue
            part=${part//,/}
            mapfile -t COMPREPLY < <(compgen -W "${part// or / }" -- "$word")
            return
        done
    fi
    if [ "$verb" = reembed ] || [ "$verb" = model ] || [ "$verb" = federate ]; then
        local words
        words=$(sed -n "s/^\(usage:\|      \) [^ ]* $verb \([a-z]*\) .*/\2/p" <<<"$page")
        [ "$COMP_CWORD" -ne 2 ] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    fi
    # Archives, models and files.
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word")
    compopt -o filenames 2>/dev/null
}

complete -F _hilum hilum
