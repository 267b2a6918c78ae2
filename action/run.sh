#!/usr/bin/env bash
# Runs hallmark as the inputs say (HALLMARK_INPUT_…, see action.yml), and tells the runner what
# came of it: log, annotations, summary, outputs. Ends with hallmark's exit code.
#
# An input becomes one argument, or one for each of its lines or commas. None is ever part of
# a command line that a shell reads.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"

max_summary=$((1 << 20)) # bytes that GitHub takes for a step

# input NAME prints its value.
input() {
	local variable=HALLMARK_INPUT_${1//-/_}
	printf '%s' "${!variable-}"
}

arguments=()

# flag NAME INPUT adds the flag if the input is not empty. Its value is part of the same
# argument, so that a value that begins with - is none.
flag() {
	local value
	value=$(input "$2")
	plain "$2" "$value"
	[ -z "$value" ] || arguments+=("--$1=$value")
}

# flags NAME INPUT SEPARATORS adds the flag for each part of the input.
flags() {
	local value part
	value=$(input "$2")
	while IFS= read -r part || [ -n "$part" ]; do
		part=${part%$'\r'}
		part=${part#"${part%%[! ]*}"}
		part=${part%"${part##*[! ]}"}
		plain "$2" "$part"
		[ -z "$part" ] || arguments+=("--$1=$part")
	done <<<"$(printf '%s' "$value" | tr "${3:-\\n}" '\n')"
}

# more adds the lines of args. A line that is no flag would be another subject.
more() {
	local line
	while IFS= read -r line || [ -n "$line" ]; do
		line=${line%$'\r'}
		case $line in
		'') continue ;;
		-- | [!-]*) refuse "args: every line is a flag with its value, such as --flag=value; the subject goes into subject" ;;
		esac
		plain args "$line"
		arguments+=("$line")
	done <<<"$(input args)"
}

# only INPUT COMMAND... refuses the input with other commands, which would not heed it.
only() {
	local name=$1
	[ -n "$(input "$name")" ] || return 0
	shift
	case " $* " in
	*" $command "*) ;;
	*) refuse "$name is not for the command $command (but for: $*)" ;;
	esac
}

# stated FLAG... reports whether one of the flags is among the arguments.
stated() {
	local wanted have
	for wanted in "$@"; do
		for have in ${arguments[@]+"${arguments[@]}"}; do
			case $have in "$wanted" | "$wanted="*) return 0 ;; esac
		done
	done
	return 1
}

check_inputs() {
	case $command in
	release | sign | attest | verify | report) ;;
	*) refuse "command: want release, sign, attest, verify or report" ;;
	esac
	only key release sign attest verify
	only policy verify report
	only formats release
	only platforms sign attest verify report
	only require verify
	only certificate-identity verify
	only certificate-oidc-issuer verify
	only github-repo verify
	only type attest
	only predicate attest
	only bundle sign attest verify report
	case $(input key) in
	*"PRIVATE KEY"*) refuse "key holds a key itself, which the log and others may see. Put it into a secret, that into a variable of the environment, and give its name: env://NAME. Replace the key if this ran on a public repository." ;;
	esac
	case $(input summary) in '' | true | false) ;; *) refuse "summary: want true or false" ;; esac
	plain subject "$subject"
	case $subject in
	-*) refuse "subject begins with -, as no image, layout or file does" ;;
	esac
}

# provenance adds the flag where it is asked for, or goes without saying.
provenance() {
	case $(input provenance):$command in
	true:release | true:attest | auto:release | :release) arguments+=(--provenance) ;;
	true:*) refuse "provenance is not for the command $command (but for: release attest)" ;;
	false:* | auto:* | :*) ;;
	*) refuse "provenance: want true, false or auto" ;;
	esac
}

gather() {
	# Not as a hallmark.yaml in the working folder may have it: warnings are read here.
	arguments+=(--log-format=text --quiet=false)
	provenance
	flag key key
	flags policy policy
	flags format formats ,
	flags platform platforms ,
	flags require require ,
	flag certificate-identity certificate-identity
	flag certificate-oidc-issuer certificate-oidc-issuer
	flag github-repo github-repo
	flag type type
	flag predicate predicate
	case $command in
	verify | report) flags bundle bundle ;;
	sign | attest) [ -z "$bundle" ] || arguments+=("--bundle=$bundle") ;;
	esac
	more
}

# trusting refuses to judge for nobody.
trusting() {
	case $command in
	verify)
		stated --key --policy --github-repo --gitlab-project --certificate-identity --certificate-identity-regexp --pack ||
			refuse "verify needs to know whom you trust: give key, policy, github-repo, or certificate-identity with certificate-oidc-issuer"
		;;
	report) stated --policy || refuse "report needs a policy" ;;
	esac
	if [ -z "$subject" ]; then
		if [ "$command" != verify ] || ! stated --filename --pack; then refuse "subject is empty"; fi
	fi
}

# name_bundle says where the evidence goes. That of a file has nowhere else to go.
name_bundle() {
	bundle=
	case $command in sign | attest) ;; *) return 0 ;; esac
	bundle=$(input bundle)
	plain bundle "$bundle"
	case $bundle:$subject in :file:*) bundle=${subject#file:}.sigstore.json ;; esac
}

# run_hallmark shows what hallmark says in a group of the log. No line of it is read as a
# workflow command: only who knows the token ends that, and nobody knew it before.
run_hallmark() {
	local token
	token=$(random_token)
	printf '::group::hallmark %s %s\n::stop-commands::%s\n' "$command" "$(escape_data "$subject")" "$token"
	set +e
	"$HALLMARK_PROGRAM" "$command" "${arguments[@]}" ${subject:+-- "$subject"} </dev/null 2>&1 | tee "$work/log"
	code=${PIPESTATUS[0]}
	set -e
	[ -z "$(tail -c 1 "$work/log")" ] || echo
	printf '::%s::\n::endgroup::\n' "$token"
}

# name_verdict turns the exit code into a word. That a signature was made does not say that
# somebody judged it.
name_verdict() {
	case $code in
	0) case $command in sign | attest) verdict='done' ;; *) verdict=verified ;; esac ;;
	3) verdict=rejected ;;
	4) verdict=missing ;;
	5) verdict=inconclusive ;;
	*) verdict=failed ;;
	esac
}

# find_digest takes the subject's digest from the result: by its indentation, the member of
# the document itself, or of the one subject. No value of another member makes such a line.
find_digest() {
	local indent='  '
	digest=
	[ -n "$subject" ] && [ -f "$work/result.json" ] || return 0
	case $command in
	verify | report)
		indent='      '
		[ "$(grep -c "^$indent\"subject\": " "$work/result.json")" = 1 ] || return 0
		;;
	esac
	digest=$(sed -n "/^$indent\"digest\": \"\(sha256:[0-9a-f]\{64\}\)\",\{0,1\}\$/{s//\1/p;q;}" "$work/result.json")
}

# name_image prints REPOSITORY@DIGEST of a subject in a registry, if all is well.
name_image() {
	local name=${subject%%@*}
	[ "$code" -eq 0 ] && [ -n "$digest" ] || return 0
	[ -z "$(input platforms)" ] || return 0 # the digest is that of an index, of which only a part was judged
	case $subject in
	oci:* | file:* | dir:* | docker-archive:* | sha256:* | sha512:* | '') return 0 ;;
	esac
	case ${name##*/} in
	*:*) name=${name%:*} ;;
	esac
	printf '%s@%s' "$name" "$digest"
}

# whole PATH prints it as the next step can use it from any folder.
whole() {
	case $1 in
	/* | [A-Za-z]:[/\\]*) printf '%s' "$1" ;;
	*) printf '%s/%s' "$(pwd -W 2>/dev/null || pwd)" "$1" ;;
	esac
}

write_outputs() {
	local report=$work/verdict.md
	[ "$command" != report ] || report=$work/report.html
	output digest "$digest"
	output image "$(name_image)"
	output verdict "$verdict"
	output bundle "$([ -z "$bundle" ] || [ ! -f "$bundle" ] || whole "$bundle")"
	output report "$([ ! -f "$report" ] || printf '%s' "$report")"
	output result "$([ ! -f "$work/result.json" ] || printf '%s' "$work/result.json")"
}

# said prints the last of what hallmark wrote, without what a terminal would obey.
said() {
	tail -n "$1" "$work/log" | LC_ALL=C tr -d '\000-\010\013-\037\177'
}

write_summary() {
	local have room
	[ "$(input summary)" != false ] || return 0
	if [ ! -s "$work/verdict.md" ]; then # it ended before there was anything to judge
		{
			printf '# Hallmark: %s %s\n\nIt ended with exit code %s.\n\n' "$command" "$verdict" "$code"
			said 20 | sed 's/^/    /' # by its indentation, Markdown and HTML are shown as they are
		} >"$work/verdict.md"
	fi
	have=$(wc -c 2>/dev/null <"$GITHUB_STEP_SUMMARY" || echo 0)
	room=$((max_summary - have - 512))
	if [ "$(wc -c <"$work/verdict.md")" -le "$room" ]; then
		cat "$work/verdict.md" >>"$GITHUB_STEP_SUMMARY"
		return
	fi
	[ "$room" -gt 0 ] || return 0
	{
		head -c "$room" "$work/verdict.md" | sed '$d'
		printf '\n</details>\n\n**Cut off: GitHub takes 1 MiB. The file that the output report names is whole.**\n'
	} >>"$GITHUB_STEP_SUMMARY"
}

# may_not_ask reports that the job was to sign as itself, and may not ask who it is.
may_not_ask() {
	[ "$code" -eq 2 ] && [ -z "${ACTIONS_ID_TOKEN_REQUEST_URL-}" ] && grep -q '^hallmark: no identity to sign with' "$work/log"
}

write_annotations() {
	if [ -s "$work/annotations" ]; then
		grep -E '^::(error|warning|notice) ' "$work/annotations" || :
	elif [ "$code" -ne 0 ]; then
		annotate error "Hallmark: $command $verdict" "$(said 3)"
	fi
	if may_not_ask; then
		annotate error "Hallmark: no identity to sign with" "The job may not ask for an identity token. Give it 'permissions: id-token: write'. The pull request of a fork never gets one: sign after the merge, or on a push."
	fi
}

output verdict failed # until it is known
command=$(input command)
subject=$(input subject)
check_inputs
name_bundle
gather
trusting

work=$RUNNER_TEMP/hallmark-$(random_token)
mkdir -m 700 "$work"
arguments+=(--output=text "--output=json=$work/result.json" "--output=markdown=$work/verdict.md")
case $command in
verify) arguments+=("--output=github=$work/annotations") ;;
report) arguments+=("--output=github=$work/annotations" "--output=html=$work/report.html") ;;
esac
folder=$(input working-directory)
plain working-directory "$folder"
if [ -n "$folder" ]; then
	CDPATH='' cd -- "$folder" || refuse "working-directory: there is no such folder"
fi

run_hallmark
name_verdict
find_digest
write_outputs
write_summary
write_annotations
exit "$code"
