package action

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("%s: %v\n%s\nwant\n%s", path, err, got, want)
	}
}

// verifying are inputs that verify what the lab's workflow signed.
func (l *lab) verifying(more values) values {
	with := values{"command": "verify", "version": "installed", "subject": l.ref(labImage), "certificate-identity": identity, "certificate-oidc-issuer": l.issuer}
	for name, value := range more {
		with[name] = value
	}
	return with
}

// TestReleaseAndVerify is the whole of it: a job without a key releases an image, and
// verifies it; then somebody moves the tag, and the image that was verified is still the one
// that the next step gets.
func TestReleaseAndVerify(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	j := &job{lab: l, env: l.env}
	j.step("release", values{"command": "release", "version": "installed", "subject": l.ref(labImage)})
	j.lines("released", "release", "digest", "image", "verdict", "bundle")
	j.step("verify", l.verifying(values{"require": "signature,spdx,cyclonedx,slsaprovenance"}))
	j.lines("verified", "verify", "digest", "image", "verdict", "bundle")
	j.shell(`cp "$OUT_report" "$LEFT/report.md"; cp "$OUT_result" "$LEFT/result.json"`, "verify", "report", "result")
	got := j.run()
	if !got.ok {
		t.Fatal(got.log)
	}
	want := "digest=" + l.digest + "\nimage=" + l.ref("test/app@"+l.digest) + "\nverdict=verified\nbundle=\n"
	for _, file := range []string{"released", "verified"} {
		if text := got.file(t, file); text != want {
			t.Errorf("%s\n%s, want\n%s", file, text, want)
		}
	}
	golden(t, "summary.md", l.settled(strings.Join(got.summaries, "\n---\n")))
	if report := got.file(t, "report.md"); len(got.summaries) != 2 || strings.TrimSpace(got.summaries[1]) != strings.TrimSpace(report) || !strings.Contains(got.file(t, "result.json"), `"hallmark.verify/v1"`) {
		t.Errorf("the report is not the summary:\n%s", report)
	}

	l.retag(labOther, labImage) // unsigned, and now it has the name
	j = &job{lab: l, env: l.env}
	j.step("moved", l.verifying(nil)).lines("moved", "moved", "image", "verdict")
	j.step("resolved", l.verifying(values{"subject": l.ref("test/app@" + l.digest)}))
	j.steps[len(j.steps)-1]["if"] = "always()"
	j.lines("resolved", "resolved", "image", "verdict")
	got = j.run()
	if moved := got.file(t, "moved"); got.ok || moved != "image=\nverdict=missing\n" {
		t.Errorf("%s\n%s", moved, got.log)
	}
	if resolved := got.file(t, "resolved"); resolved != "image="+l.ref("test/app@"+l.digest)+"\nverdict=verified\n" {
		t.Errorf("%s\n%s", resolved, got.log)
	}
}

// TestRejected: what another workflow signed fails the step with 3, an annotation and a
// summary that say why; the outputs are there all the same, and no image among them.
func TestRejected(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	j := &job{lab: l, env: l.env}
	j.step("sign", values{"command": "sign", "version": "installed", "subject": l.ref(labImage)})
	j.step("verify", l.verifying(values{"certificate-identity": strings.Replace(identity, "release.yml", "other.yml", 1)}))
	j.lines("outputs", "verify", "digest", "image", "verdict")
	j.shell(`cp "$OUT_report" "$LEFT/report.md"`, "verify", "report")
	got := j.run()
	if text := got.file(t, "outputs"); got.ok || text != "digest="+l.digest+"\nimage=\nverdict=rejected\n" {
		t.Errorf("%s\n%s", text, got.log)
	}
	if !strings.Contains(got.log, "::error title=Rejected") || !strings.Contains(got.log, "exit status 3") {
		t.Errorf("no annotation\n%s", got.log)
	}
	golden(t, "rejected.md", l.settled(got.file(t, "report.md")))
}

// TestFork: the job of a fork's pull request gets no token. Nothing is signed, and it says
// what to do.
func TestFork(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	j := &job{lab: l, env: l.env[:2]}
	j.step("sign", values{"command": "sign", "version": "installed", "subject": l.ref(labImage)}).lines("outputs", "sign", "verdict", "digest")
	got := j.run()
	if text := got.file(t, "outputs"); got.ok || text != "verdict=failed\ndigest=\n" {
		t.Errorf("%s\n%s", text, got.log)
	}
	for _, want := range []string{"::error title=Hallmark%3A no identity to sign with::", "id-token: write", "pull request of a fork"} {
		if !strings.Contains(got.log, want) {
			t.Errorf("it does not say %q\n%s", want, got.log)
		}
	}
	golden(t, "fork.md", l.settled(strings.Join(got.summaries, "\n---\n")))
}

// TestTokenEndpointDown: without an answer, it is inconclusive, and nothing is attached.
func TestTokenEndpointDown(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	var asked atomic.Int32
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(down.Close)
	j := &job{lab: l, env: append(l.env[:2:2], "ACTIONS_ID_TOKEN_REQUEST_URL="+down.URL+"/token?x=y", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=hunter2")}
	j.step("release", values{"command": "release", "version": "installed", "subject": l.ref(labImage), "args": "--retry-for=2s\n"}).lines("outputs", "release", "verdict")
	got := j.run()
	if text := got.file(t, "outputs"); got.ok || text != "verdict=inconclusive\n" || asked.Load() == 0 {
		t.Errorf("%s, asked %d times\n%s", text, asked.Load(), got.log)
	}
	if strings.Contains(got.log, "hunter2") || !strings.Contains(got.log, "::error title=Hallmark%3A release inconclusive::") {
		t.Errorf("%s", got.log)
	}
	after := &job{lab: l, env: l.env}
	after.step("verify", l.verifying(nil)).lines("outputs", "verify", "verdict")
	if text := after.run().file(t, "outputs"); text != "verdict=missing\n" {
		t.Errorf("afterwards: %s", text)
	}
}

// TestHostileEvent: what a stranger writes into the title of a pull request goes into inputs
// by expressions, and does nothing.
func TestHostileEvent(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	trap := filepath.Join(t.TempDir(), "pwned")
	titles := append([]string{"a\n::set-output name=digest::evil\n", "a\r\n$(touch DIR)"}, hostile...)
	for _, title := range titles {
		title = strings.ReplaceAll(title, "DIR/pwned", trap)
		j := &job{lab: l, env: l.env, event: map[string]any{"pull_request": map[string]any{"title": title}}}
		for _, input := range []string{"subject", "key", "policy", "args", "working-directory", "version", "command"} {
			with := l.verifying(values{input: "${{ github.event.pull_request.title }}"})
			j.steps = append(j.steps, values{"id": input, "uses": "./", "with": with, "continue-on-error": true})
			j.lines("outputs", input, "image", "digest")
		}
		got := j.run()
		if _, err := os.Stat(trap); err == nil {
			t.Fatalf("%q was run\n%s", title, got.log)
		}
		for line := range strings.Lines(got.file(t, "outputs")) {
			if !strings.HasPrefix(line, "image=") && !strings.HasPrefix(line, "digest=") || strings.Contains(line, "evil") || strings.Contains(line, "=x") {
				t.Errorf("%q: output %q\n%s", title, line, got.log)
			}
		}
	}
}
