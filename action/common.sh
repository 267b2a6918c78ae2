# shellcheck shell=bash
# What install.sh and run.sh share. Sourced, also by bash 3.2 (macOS) and Git Bash (Windows).

# Arguments such as oci:DIR:TAG are no paths that Git Bash should translate.
export MSYS_NO_PATHCONV=1 MSYS2_ARG_CONV_EXCL='*'

# escape_data TEXT prints the text as the message of a workflow command.
escape_data() {
	local text=$1
	text=${text//'%'/%25}
	text=${text//$'\r'/%0D}
	printf '%s' "${text//$'\n'/%0A}"
}

# annotate LEVEL TITLE MESSAGE writes to standard error, which the runner reads as well, and
# which no command substitution swallows.
annotate() {
	local title
	title=$(escape_data "$2")
	title=${title//:/%3A}
	printf '::%s title=%s::%s\n' "$1" "${title//,/%2C}" "$(escape_data "$3")" >&2
}

# refuse MESSAGE ends the step as hallmark does on bad input.
refuse() {
	annotate error "Hallmark: bad input" "$1"
	exit 2
}

# random_token prints what nobody could have put into a text beforehand.
random_token() {
	od -An -v -N16 -tx1 /dev/urandom | tr -d ' \n'
}

# output NAME VALUE sets an output of the step, whatever the value holds.
output() {
	local fence
	fence=hallmark-$(random_token)
	printf '%s<<%s\n%s\n%s\n' "$1" "$fence" "$2" "$fence" >>"$GITHUB_OUTPUT"
}

# plain NAME VALUE refuses a value that no file, image or name holds.
plain() {
	case $2 in
	*[[:cntrl:]]*) refuse "$1 holds a line break or another control character" ;;
	esac
}
