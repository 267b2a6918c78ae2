package action

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const someDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// recorder is a stand-in for hallmark: it writes down its arguments, one after each zero
// byte, prints what the test wants, and ends as the test wants.
const recorder = `#!/usr/bin/env bash
printf '%s\0' "$@" >"$RECORD"
for argument; do
	case $argument in
	--output=json=*) printf '%s' "${RESULT-}" >"${argument#--output=json=}" ;;
	--output=markdown=*) printf '%s' "${MARKDOWN-}" >"${argument#--output=markdown=}" ;;
	--output=github=*) printf '%s' "${ANNOTATIONS-}" >"${argument#--output=github=}" ;;
	esac
done
printf '%s' "${SAYS-}"
exit "${CODE:-0}"
`

// recorded is a step that runs the stand-in, and what it was given.
type recorded struct {
	*step
	record string
}

func newRecorded(t *testing.T) recorded {
	t.Helper()
	s := newStep(t)
	fake := filepath.Join(t.TempDir(), "hallmark")
	if err := os.WriteFile(fake, []byte(recorder), 0o700); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(t.TempDir(), "record")
	s.env = []string{"HALLMARK_PROGRAM=" + fake, "RECORD=" + record}
	return recorded{s, record}
}

// play runs run.sh with inputs (name, value, …) and gives the arguments of hallmark, without
// the forms of output and messages that every run asks for; nil if it was not run.
func (r recorded) with(env []string, inputs ...string) (played, []string) {
	r.t.Helper()
	for i := 0; i < len(inputs); i += 2 {
		env = append(env, "HALLMARK_INPUT_"+strings.ReplaceAll(inputs[i], "-", "_")+"="+inputs[i+1])
	}
	p := r.play("run.sh", env...)
	raw, err := os.ReadFile(r.record)
	if err != nil {
		return p, nil
	}
	args := strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
	always := []string{"--log-format=text", "--quiet=false"} // whatever a hallmark.yaml in the tree says
	for _, flag := range always {
		if !slices.Contains(args, flag) {
			r.t.Errorf("%s is missing in %q", flag, args)
		}
	}
	return p, slices.DeleteFunc(args, func(a string) bool { return strings.HasPrefix(a, "--output=") || slices.Contains(always, a) })
}

// TestArguments: which command line inputs make.
func TestArguments(t *testing.T) {
	for name, c := range map[string]struct {
		inputs []string
		want   []string
	}{
		"release": {[]string{"command", "release", "subject", "r/a:v1"}, []string{"release", "--provenance", "--", "r/a:v1"}},
		"release with key": {[]string{"command", "release", "subject", "r/a:v1", "key", "env://KEY", "provenance", "false", "formats", "spdx-json, syft-json\ncyclonedx-json\n"},
			[]string{"release", "--key=env://KEY", "--format=spdx-json", "--format=syft-json", "--format=cyclonedx-json", "--", "r/a:v1"}},
		"sign": {[]string{"command", "sign", "subject", "r/a:v1", "platforms", "linux/amd64,linux/arm64", "provenance", "auto", "args", "--recursive\n\n--tlog\r\n"},
			[]string{"sign", "--platform=linux/amd64", "--platform=linux/arm64", "--recursive", "--tlog", "--", "r/a:v1"}},
		"sign a file": {[]string{"command", "sign", "subject", "file:a b.tgz"}, []string{"sign", "--bundle=a b.tgz.sigstore.json", "--", "file:a b.tgz"}},
		"attest": {[]string{"command", "attest", "subject", "r/a:v1", "type", "vuln", "predicate", "scan.json", "bundle", "b.json"},
			[]string{"attest", "--type=vuln", "--predicate=scan.json", "--bundle=b.json", "--", "r/a:v1"}},
		"attest provenance": {[]string{"command", "attest", "subject", "r/a:v1", "provenance", "true"}, []string{"attest", "--provenance", "--", "r/a:v1"}},
		"verify": {[]string{"command", "verify", "subject", "r/a:v1", "certificate-identity", "x", "certificate-oidc-issuer", "y", "require", "signature,spdx", "bundle", "a\nb,c\n"},
			[]string{"verify", "--require=signature", "--require=spdx", "--certificate-identity=x", "--certificate-oidc-issuer=y", "--bundle=a", "--bundle=b,c", "--", "r/a:v1"}},
		"verify manifests": {[]string{"command", "verify", "policy", "p.yaml\nq", "args", "--filename=deploy.yaml"}, []string{"verify", "--policy=p.yaml", "--policy=q", "--filename=deploy.yaml"}},
		"report":           {[]string{"command", "report", "subject", "r/a:v1", "policy", "p.yaml"}, []string{"report", "--policy=p.yaml", "--", "r/a:v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, got := newRecorded(t).with(nil, c.inputs...)
			if p.code != 0 || !slices.Equal(got, c.want) {
				t.Errorf("code %d\n got %q\nwant %q\n%s", p.code, got, c.want, p.log)
			}
		})
	}
}

// hostile are values that mean something to shells, runners, Markdown or terminals. The
// folder of the test stands for DIR.
var hostile = []string{
	"$(touch DIR/pwned)", "`touch DIR/pwned`", "; touch DIR/pwned #", "\"; touch DIR/pwned; \"", "'; touch DIR/pwned; '",
	"${IFS}x", "$HOME", "*", "~", "a b", "a\\", "%0A::error::x", "::set-output name=digest::x", "##[error]x", "$((1+1))", "!!", "{a,b}",
	"<script>", "x\\$(touch DIR/pwned)",
}

// TestHostileInputs: a value of any input reaches hallmark as it is, in one argument, and
// does nothing on the way.
func TestHostileInputs(t *testing.T) {
	fields := map[string][]string{ // with what each input goes, and how it arrives
		"subject":              {"verify", "", "key", "k"},
		"key":                  {"verify", "--key=", "subject", "s"},
		"policy":               {"verify", "--policy=", "subject", "s"},
		"github-repo":          {"verify", "--github-repo=", "subject", "s"},
		"certificate-identity": {"verify", "--certificate-identity=", "subject", "s"},
		"require":              {"verify", "--require=", "subject", "s", "key", "k"},
		"formats":              {"release", "--format=", "subject", "s"},
		"type":                 {"attest", "--type=", "subject", "s"},
		"predicate":            {"attest", "--predicate=", "subject", "s"},
		"bundle":               {"sign", "--bundle=", "subject", "s"},
		"args":                 {"sign", "", "subject", "s"},
	}
	for field, c := range fields {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			for _, value := range hostile {
				r := newRecorded(t)
				value = strings.ReplaceAll(value, "DIR", r.dir)
				if strings.Contains(value, ",") && (field == "require" || field == "formats") {
					continue
				}
				if field == "args" {
					value = "--x=" + value
				}
				p, got := r.with(nil, append([]string{"command", c[0], field, value}, c[2:]...)...)
				if p.code != 0 || !slices.Contains(got, c[1]+value) {
					t.Errorf("%q: code %d, arguments %q\n%s", value, p.code, got, p.log)
				}
				if left, err := os.ReadDir(r.dir); err != nil || len(left) != 0 {
					t.Errorf("%q left %v, %v", value, left, err)
				}
			}
		})
	}
}

// TestRefusedInputs: what is refused before anything is run, and with what words. The words
// never repeat the value.
func TestRefusedInputs(t *testing.T) {
	for name, c := range map[string]struct {
		inputs []string
		want   string
	}{
		"no command":                {[]string{"subject", "s"}, "command%3A"},
		"another command":           {[]string{"command", "keys", "subject", "s"}, "command"},
		"command with more":         {[]string{"command", "verify\nrelease", "subject", "s"}, "command"},
		"no subject":                {[]string{"command", "sign"}, "subject is empty"},
		"a flag for a subject":      {[]string{"command", "sign", "subject", "--key=mine"}, "subject begins with -"},
		"two lines of subject":      {[]string{"command", "sign", "subject", "a\n::set-output name=digest::evil"}, "subject holds a line break"},
		"a terminal's sequence":     {[]string{"command", "sign", "subject", "a\x1b[2J"}, "subject holds"},
		"key with a line break":     {[]string{"command", "sign", "subject", "s", "key", "a\nb"}, "key holds a line break"},
		"the key itself":            {[]string{"command", "sign", "subject", "s", "key", "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nMHcCAQ"}, "key holds a key itself"},
		"another subject":           {[]string{"command", "verify", "subject", "s", "key", "k", "args", "other:v1"}, "args"},
		"the end of flags":          {[]string{"command", "verify", "subject", "s", "key", "k", "args", "--\nother"}, "args"},
		"nobody is trusted":         {[]string{"command", "verify", "subject", "s"}, "verify needs to know whom you trust"},
		"nobody, but an issuer":     {[]string{"command", "verify", "subject", "s", "certificate-oidc-issuer", "i"}, "verify needs to know whom you trust"},
		"nobody, but a similar one": {[]string{"command", "verify", "subject", "s", "args", "--key-ring=x\n--details"}, "verify needs to know whom you trust"},
		"empty key":                 {[]string{"command", "verify", "subject", "s", "key", ""}, "verify needs to know whom you trust"},
		"report of no policy":       {[]string{"command", "report", "subject", "s"}, "report needs a policy"},
		"require with release":      {[]string{"command", "release", "subject", "s", "require", "spdx"}, "require is not for"},
		"policy with sign":          {[]string{"command", "sign", "subject", "s", "policy", "p"}, "policy is not for"},
		"formats with verify":       {[]string{"command", "verify", "subject", "s", "key", "k", "formats", "x"}, "formats is not for"},
		"platforms with release":    {[]string{"command", "release", "subject", "s", "platforms", "linux/amd64"}, "platforms is not for"},
		"provenance with verify":    {[]string{"command", "verify", "subject", "s", "key", "k", "provenance", "true"}, "provenance is not for"},
		"odd provenance":            {[]string{"command", "release", "subject", "s", "provenance", "yes"}, "provenance"},
		"odd summary":               {[]string{"command", "sign", "subject", "s", "summary", "$(id)"}, "summary"},
		"no such folder":            {[]string{"command", "sign", "subject", "s", "working-directory", "-P"}, "working-directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, got := newRecorded(t).with(nil, c.inputs...)
			if p.code != 2 || got != nil || p.outputs["verdict"] != "failed" || p.outputs["digest"] != "" || p.outputs["image"] != "" {
				t.Errorf("code %d, arguments %q, outputs %q\n%s", p.code, got, p.outputs, p.log)
			}
			p.annotated(t, "bad input", strings.ReplaceAll(c.want, "%3A", ""))
			if strings.Contains(p.log, "MHcCAQ") || strings.Contains(p.log, "evil") {
				t.Errorf("the value is repeated\n%s", p.log)
			}
		})
	}
}

// TestHostileOutput: what hallmark prints of an image is read as a command by nobody.
func TestHostileOutput(t *testing.T) {
	t.Parallel()
	said := "::error::x\n::set-output name=digest::evil\n##[add-path]/tmp\n::endgroup::\n::stop-commands::x\nlast without a line feed"
	r := newRecorded(t)
	p, _ := r.with([]string{"SAYS=" + said, "CODE=1"}, "command", "verify", "subject", "s", "key", "k")
	if p.code != 1 || p.outputs["digest"] != "" || p.outputs["verdict"] != "failed" || !strings.Contains(p.log, said) {
		t.Errorf("code %d, %q\n%s", p.code, p.outputs, p.log)
	}
	if len(p.annotations) != 1 {
		t.Errorf("annotations %q", p.annotations)
	}
	p.annotated(t, "::error title=Hallmark%3A verify failed::::endgroup::%0A", "%0Alast without a line feed")
	if !strings.Contains(p.summary, "\n    ::set-output name=digest::evil\n") {
		t.Errorf("summary %q", p.summary)
	}
	// What is escaped for the runner says the same afterwards.
	p, _ = newRecorded(t).with([]string{"SAYS=100%0A::error::x", "CODE=1"}, "command", "verify", "subject", "s", "key", "k")
	p.annotated(t, "::100%250A::error::x")
	// The file of annotations holds nothing else, or is not obeyed.
	p, _ = newRecorded(t).with([]string{"ANNOTATIONS=::error title=a::b\n::add-mask::x\nplain\n", "CODE=3"}, "command", "verify", "subject", "s", "key", "k")
	if !slices.Equal(p.annotations, []string{"::error title=a::b"}) || strings.Contains(p.log, "add-mask") {
		t.Errorf("%q\n%s", p.annotations, p.log)
	}
}

// TestVerdicts: the word for each exit code, which the step ends with.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{"0": "verified", "1": "failed", "2": "failed", "3": "rejected", "4": "missing", "5": "inconclusive", "130": "failed"} {
		p, _ := newRecorded(t).with([]string{"CODE=" + code}, "command", "verify", "subject", "s", "key", "k")
		if p.outputs["verdict"] != want || code != strconv.Itoa(p.code) {
			t.Errorf("%s: %d %q", code, p.code, p.outputs)
		}
	}
	if p, _ := newRecorded(t).with(nil, "command", "sign", "subject", "s"); p.outputs["verdict"] != "done" {
		t.Errorf("sign: %q", p.outputs)
	}
}

// TestDigest: only the subject's own digest becomes the output, and an image only if all is
// well.
func TestDigest(t *testing.T) {
	verify := "{\n  \"subjects\": [\n    {\n      \"subject\": \"s\",\n      \"digest\": \"" + someDigest + "\",\n      \"verdict\": \"verified\"\n    }\n  ]\n}\n"
	other := strings.Replace(verify, "      \"digest\": \""+someDigest+"\",\n", "      \"verified\": [\n        {\n          \"digest\": \""+someDigest+"\"\n        }\n      ],\n", 1)
	two := strings.Replace(verify, "    {\n", "    {\n      \"subject\": \"t\"\n    },\n    {\n", 1)
	release := "{\n  \"subject\": \"r/a\",\n  \"digest\": \"" + someDigest + "\",\n  \"evidence\": []\n}\n"
	for name, c := range map[string]struct {
		command, subject, result, code string
		digest, image                  string
	}{
		"verified":             {"verify", "reg.example:5000/a/b:v1", verify, "0", someDigest, "reg.example:5000/a/b@" + someDigest},
		"by digest":            {"verify", "reg.example/a@" + someDigest, verify, "0", someDigest, "reg.example/a@" + someDigest},
		"by tag and digest":    {"verify", "reg.example/a:v1@" + someDigest, verify, "0", someDigest, "reg.example/a@" + someDigest},
		"without a tag":        {"verify", "reg.example:5000/a", verify, "0", someDigest, "reg.example:5000/a@" + someDigest},
		"rejected":             {"verify", "reg.example/a:v1", verify, "3", someDigest, ""},
		"layout":               {"verify", "oci:layout:v1", verify, "0", someDigest, ""},
		"archive":              {"verify", "docker-archive:img.tar", verify, "0", someDigest, ""},
		"a digest of a file":   {"verify", "sha512:00", verify, "0", someDigest, ""},
		"evidence's":           {"verify", "reg.example/a:v1", other, "0", "", ""},
		"two subjects":         {"verify", "reg.example/a:v1", two, "0", "", ""},
		"released":             {"release", "reg.example/a:v1", release, "0", someDigest, "reg.example/a@" + someDigest},
		"too short":            {"release", "reg.example/a:v1", strings.Replace(release, "abcdef\"", "\"", 1), "0", "", ""},
		"nothing":              {"release", "reg.example/a:v1", "", "5", "", ""},
		"within another value": {"release", "reg.example/a:v1", "{\n  \"subject\": \"\\n  \\\"digest\\\": \\\"" + someDigest + "\\\",\\n\"\n}\n", "0", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inputs := []string{"command", c.command, "subject", c.subject, "key", "k"}
			p, _ := newRecorded(t).with([]string{"RESULT=" + c.result, "CODE=" + c.code}, inputs...)
			if p.outputs["digest"] != c.digest || p.outputs["image"] != c.image {
				t.Errorf("%q\n%s", p.outputs, p.log)
			}
		})
	}
	part, _ := newRecorded(t).with([]string{"RESULT=" + verify}, "command", "verify", "subject", "reg.example/a:v1", "key", "k", "platforms", "linux/amd64")
	if part.outputs["digest"] != someDigest || part.outputs["image"] != "" {
		t.Errorf("of an index of which a part was judged: %q", part.outputs)
	}
}

// TestSummary: the verdict is shown, no more than GitHub takes, or not at all.
func TestSummary(t *testing.T) {
	t.Parallel()
	// Through a variable of the environment, a test cannot bring more than 128 KiB at once.
	large := "# Verdict\n" + strings.Repeat(strings.Repeat("x", 99)+"\n", 1000)
	inputs := []string{"command", "verify", "subject", "s", "key", "k"}
	if p, _ := newRecorded(t).with([]string{"MARKDOWN=" + large}, inputs...); p.summary != large {
		t.Errorf("%d bytes, want %d", len(p.summary), len(large))
	}
	if p, _ := newRecorded(t).with([]string{"MARKDOWN=" + large}, append(inputs, "summary", "false")...); p.summary != "" {
		t.Errorf("%d bytes, want none", len(p.summary))
	}
	r := newRecorded(t)
	fake := strings.Replace(recorder, `printf '%s' "${MARKDOWN-}"`, `for i in 1 2 3 4 5 6 7 8 9 10 11 12; do printf '%s' "$MARKDOWN"; done`, 1)
	if err := os.WriteFile(strings.TrimPrefix(r.env[0], "HALLMARK_PROGRAM="), []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	p, _ := r.with([]string{"MARKDOWN=" + large}, inputs...)
	if len(p.summary) > 1<<20 || len(p.summary) < 1<<20-2000 || !strings.HasSuffix(p.summary, "is whole.**\n") {
		t.Errorf("%d bytes, ends with %q", len(p.summary), p.summary[max(0, len(p.summary)-200):])
	}
	if raw := r.read(p.outputs["report"]); len(raw) != 12*len(large) {
		t.Errorf("the report has %d bytes", len(raw))
	}
}

// TestWorkingDirectory: relative paths are those of the folder, and the outputs are whole.
func TestWorkingDirectory(t *testing.T) {
	r := newRecorded(t)
	if err := os.MkdirAll(filepath.Join(r.dir, "sub dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.write(filepath.Join(r.dir, "sub dir", "b.json"), "{}")
	p, _ := r.with(nil, "command", "sign", "subject", "s", "bundle", "b.json", "working-directory", "sub dir")
	if want := filepath.Join(r.dir, "sub dir", "b.json"); p.outputs["bundle"] != want {
		t.Errorf("%q, want %q\n%s", p.outputs["bundle"], want, p.log)
	}
}
