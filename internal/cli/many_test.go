package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// line is what the tests read of a line of JSON.
type line struct {
	SchemaVersion, Subject, Verdict, Question string
	Position, ExitCode                        int
}

func linesOf(t *testing.T, content string) (out []line) {
	t.Helper()
	for text := range strings.Lines(content) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil || !strings.HasSuffix(text, "\n") {
			t.Fatalf("line %d: %v: %q", len(out)+1, err, text)
		}
		out = append(out, l)
	}
	return out
}

func readLines(t *testing.T, file string) []line {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return linesOf(t, string(raw))
}

// writeList writes a list of references and returns its name.
func writeList(t *testing.T, refs ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "images.txt")
	if err := os.WriteFile(name, []byte("# what runs\n\n"+strings.Join(refs, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// signedTags pushes a signed image under n tags, and returns the references.
func signedTags(t *testing.T, registry *testkit.Server, private string, n int) (refs []string) {
	t.Helper()
	for i := range n {
		name := fmt.Sprintf("app:v%d", i)
		ref := testkit.PushImage(t, registry, name, testkit.NewImage())
		if i == 0 {
			call(t, 0, "sign", "--key", private, ref)
		}
		refs = append(refs, registry.Host+"/"+name)
	}
	return refs
}

// TestManyInOrder: of many images of every kind, judged at once and answered in any order,
// each gets its own verdict, and they come in the order of the list.
func TestManyInOrder(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	other, _ := keyPair(t)
	registry := testkit.Registry(t)
	signed := testkit.PushImage(t, registry, "a/signed:v1", testkit.NewImage())
	strange := testkit.PushImage(t, registry, "b/strange:v1", testkit.NewImage(testkit.File("strange", "s")))
	bare := testkit.PushImage(t, registry, "c/bare:v1", testkit.NewImage(testkit.File("bare", "b")))
	call(t, 0, "sign", "--key", private, signed)
	call(t, 0, "sign", "--key", other, strange)
	kinds := []struct {
		ref, verdict string
		code         int
	}{
		{signed, "verified", 0}, {registry.Host + "/a/signed:v1", "verified", 0}, {strange, "rejected", 3}, {bare, "missing", 4},
		{registry.Host + "/c/none:v1", "inconclusive", 5}, {registry.Host + "/UPPER/case", "error", 2},
	}
	var n atomic.Int64
	registry.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Duration(n.Add(7)%11) * 3 * time.Millisecond)
			next.ServeHTTP(w, r)
		})
	})
	var refs []string
	for i := range 60 {
		refs = append(refs, kinds[(i*i+i/7)%len(kinds)].ref)
	}
	stdout, _ := call(t, 3, "verify", "--key", public, "--list", writeList(t, refs...), "-o", "jsonl")
	got := linesOf(t, stdout)
	if len(got) != len(refs) {
		t.Fatalf("%d lines, want %d", len(got), len(refs))
	}
	for i, l := range got {
		k := kinds[slices.IndexFunc(kinds, func(k struct {
			ref, verdict string
			code         int
		}) bool {
			return k.ref == refs[i]
		})]
		want := line{"hallmark.verify-line/v1", k.ref, k.verdict, got[0].Question, i + 1, k.code}
		if l != want {
			t.Errorf("line %d: %+v, want %+v", i+1, l, want)
		}
	}
	// The same on the command line, for people and as one document.
	text, _ := call(t, 3, append([]string{"verify", "--key", public}, refs[:12]...)...)
	document, _ := call(t, 3, append([]string{"verify", "--key", public, "-o", "json"}, refs[:12]...)...)
	var result struct{ Subjects []line }
	if err := json.Unmarshal([]byte(document), &result); err != nil || len(result.Subjects) != 12 {
		t.Fatalf("%v: %d subjects", err, len(result.Subjects))
	}
	at := 0
	for i, s := range result.Subjects {
		if s.Subject != refs[i] || s.Verdict != got[i].Verdict {
			t.Errorf("subject %d: %+v, want %+v", i, s, got[i])
		}
		begin := strings.ToUpper(s.Verdict) + " " + s.Subject + "\n"
		found := strings.Index(text[at:], begin)
		if found < 0 {
			t.Fatalf("%q is not behind what stands before it:\n%s", begin, text)
		}
		at += found + len(begin)
	}
}

// TestManyAtOnce: a registry that answers nobody until four have asked is no standstill.
func TestManyAtOnce(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	registry := testkit.Registry(t)
	var refs []string
	for i := range 16 { // each of a repository of its own, so that none waits for another one's token
		ref := testkit.PushImage(t, registry, fmt.Sprintf("app-%d:v1", i), testkit.NewImage())
		call(t, 0, "sign", "--key", private, ref)
		refs = append(refs, fmt.Sprintf("%s/app-%d:v1", registry.Host, i))
	}
	var mu sync.Mutex
	var waiting []chan struct{}
	registry.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/manifests/v") {
				together := make(chan struct{})
				mu.Lock()
				if waiting = append(waiting, together); len(waiting) == 4 {
					for _, c := range waiting {
						close(c)
					}
					waiting = nil
				}
				mu.Unlock()
				select {
				case <-together:
				case <-time.After(20 * time.Second):
					t.Error("fewer than four were asked for at once")
				}
			}
			next.ServeHTTP(w, r)
		})
	})
	call(t, 0, "verify", "--key", public, "--list", writeList(t, refs...), "--parallel", "4")
	call(t, 0, append([]string{"verify", "--key", public}, refs...)...)
}

// TestManyStall: an image that takes long keeps none of the others from being judged, but
// for as many as may wait for it.
func TestManyStall(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	registry := testkit.Registry(t)
	refs := signedTags(t, registry, private, 41)
	var others atomic.Int64
	enough := make(chan struct{})
	registry.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch _, tag, _ := strings.Cut(r.URL.Path, "/manifests/v"); {
			case tag == "0":
				select {
				case <-enough:
				case <-time.After(20 * time.Second):
					t.Errorf("%d of the others were asked for meanwhile", others.Load())
				}
			case tag != "" && others.Add(1) == 40:
				close(enough)
			}
			next.ServeHTTP(w, r)
		})
	})
	call(t, 0, "verify", "--key", public, "--list", writeList(t, refs...), "--parallel", "3", "-o", "jsonl")
}

// TestManyTokens: a run asks for one token for each repository, however many images of it
// there are, and opens no connection for each.
func TestManyTokens(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	registry := testkit.Registry(t)
	refs := signedTags(t, registry, private, 20)
	for i := range 20 {
		testkit.PushImage(t, registry, fmt.Sprintf("other:v%d", i), testkit.NewImage())
		refs = append(refs, fmt.Sprintf("%s/other:v%d", registry.Host, i))
	}
	testkit.DockerLogin(t, registry.Host, "user", "secret")
	registry.Use(testkit.BearerAuth("user", "secret"))
	var tokens atomic.Int64
	registry.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				tokens.Add(1)
			}
			next.ServeHTTP(w, r)
		})
	})
	call(t, 4, "verify", "--key", public, "--list", writeList(t, refs...))
	if n := tokens.Load(); n < 2 || n > 4 { // who was turned away before the first token came may ask as well
		t.Errorf("%d tokens were asked for, want one for each of two repositories", n)
	}
}

// TestManyResume: what a file of lines answers is not judged again, whatever cut the run
// off; what it does not answer is, and in the end the file is whole and in order.
func TestManyResume(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	registry := testkit.Registry(t)
	refs := signedTags(t, registry, private, 12)
	refs[3] = registry.Host + "/app:late"
	refs[7] = refs[6]
	list := writeList(t, refs...)
	full := filepath.Join(t.TempDir(), "full.jsonl")
	call(t, 5, "verify", "--key", public, "--list", list, "-o", "jsonl="+full)
	if _, stderr := call(t, 2, "verify", "--key", public, "--list", list, "-o", "jsonl="+full); !strings.Contains(stderr, "--resume") {
		t.Errorf("no hint: %s", stderr)
	}
	raw, err := os.ReadFile(full)
	if err != nil {
		t.Fatal(err)
	}
	whole := slices.Collect(strings.Lines(string(raw)))
	testkit.PushImage(t, registry, "app:late", testkit.NewImage())
	for name, c := range map[string]struct {
		lines []string
		again int // how many are judged
	}{
		"complete but for what was inconclusive": {whole, 1},
		"cut off":                                {append(slices.Clone(whole[:8]), whole[8][:40]), 1 + 4},
		"cut off in the first":                   {[]string{whole[0][:9]}, 12},
		"cut off before a newline":               {append(slices.Clone(whole[:2]), strings.TrimSuffix(whole[2], "\n")), 10},
		"empty":                                  {nil, 12},
		"in any order":                           {[]string{whole[11], whole[4], whole[0]}, 9},
		"twice":                                  {append(slices.Clone(whole), whole[5]), 2},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "lines.jsonl")
			if err := os.WriteFile(file, []byte(strings.Join(c.lines, "")), 0o640); err != nil {
				t.Fatal(err)
			}
			registry.Reset()
			stdout, _ := call(t, 0, "verify", "--key", public, "--list", list, "-o", "jsonl="+file, "--resume")
			if judged := strings.Count(stdout, "VERIFIED "); judged != c.again || !strings.Contains(stdout, "12 in all: 12 verified") {
				t.Errorf("%d were judged, want %d:\n%s", judged, c.again, stdout)
			}
			got := readLines(t, file)
			if len(got) != 12 {
				t.Fatalf("%d lines, want 12", len(got))
			}
			for i, l := range got {
				if l.Position != i+1 || l.Subject != refs[i] || l.Verdict != "verified" {
					t.Errorf("line %d: %+v", i+1, l)
				}
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".hallmark-*")); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// TestManyOneRun: a file that a run writes to is left alone by others.
func TestManyOneRun(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	registry := testkit.Registry(t)
	refs := signedTags(t, registry, private, 2)
	file := filepath.Join(t.TempDir(), "l.jsonl")
	args := []string{"verify", "--key", public, "--list", writeList(t, refs...), "-o", "jsonl=" + file, "--resume"}
	other := flock.New(file)
	if alone, err := other.TryLock(); !alone || err != nil {
		t.Fatal(alone, err)
	}
	if _, stderr := call(t, 2, args...); !strings.Contains(stderr, "another run writes to it") {
		t.Error(stderr)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	call(t, 0, args...)
	call(t, 0, args...)
}

// TestManyResumeVerdict: verdicts of an earlier run count for the exit code.
func TestManyResumeVerdict(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	registry := testkit.Registry(t)
	refs := signedTags(t, registry, private, 3)
	testkit.PushImage(t, registry, "bare:v1", testkit.NewImage(testkit.File("bare", "b")))
	list, file := writeList(t, append(refs, registry.Host+"/bare:v1")...), filepath.Join(t.TempDir(), "l.jsonl")
	call(t, 4, "verify", "--key", public, "--list", list, "-o", "jsonl="+file, "--resume")
	registry.Use(testkit.Fail(testkit.Any, http.StatusForbidden, nil, testkit.Always))
	if stdout, _ := call(t, 4, "verify", "--key", public, "--list", list, "-o", "jsonl="+file, "--resume"); !strings.Contains(stdout, "4 of them were judged before") {
		t.Error(stdout)
	}
}

// TestManyOtherQuestion: a file of lines is gone on with if the same is asked about the same
// images, and otherwise refused.
func TestManyOtherQuestion(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	_, other := keyPair(t)
	registry := testkit.Registry(t)
	refs := signedTags(t, registry, private, 3)
	list, file := writeList(t, refs...), filepath.Join(t.TempDir(), "l.jsonl")
	same := []string{"verify", "--key", public, "--list", list, "-o", "jsonl=" + file, "--resume"}
	call(t, 0, same...)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.pub")
	pem, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, pem, 0o644); err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) func() error {
		return func() error {
			return os.WriteFile(file, []byte(strings.Replace(string(before), old, new, 1)), 0o644)
		}
	}
	for name, c := range map[string]struct {
		edit func() error
		args []string
		code int
		says string
	}{
		"the same":               {nil, nil, 0, ""},
		"more at once":           {nil, []string{"--parallel", "2", "--retries", "1", "--timeout", "5m", "-q"}, 0, ""},
		"another key":            {nil, []string{"--key", other}, 2, "another question"},
		"another requirement":    {nil, []string{"--require", "spdx"}, 2, "another question"},
		"another time":           {nil, []string{"--at", "2031-01-01"}, 2, "another question"},
		"without legacy":         {nil, []string{"--no-legacy"}, 2, "another question"},
		"another repository":     {nil, []string{"--evidence-repository", registry.Host + "/evidence"}, 2, "another question"},
		"smaller evidence":       {nil, []string{"--max-evidence-size", "1000"}, 2, "another question"},
		"another subject":        {edit(refs[1], refs[2]), nil, 2, "at position 2, which the list does not have there"},
		"another position":       {edit(`"position":2`, `"position":3`), nil, 2, "at position 3, which the list does not have there"},
		"a position too far":     {edit(`"position":2`, `"position":4`), nil, 2, "at position 4, which the list does not have there"},
		"no position":            {edit(`"position":2`, `"position":0`), nil, 2, "its position is 0"},
		"a verdict of its own":   {edit(`"verdict":"verified"`, `"verdict":"fine"`), nil, 2, `its verdict is fine`},
		"a code of its own":      {edit(`"exitCode":0`, `"exitCode":3`), nil, 2, "its exit code 3"},
		"two verdicts":           {edit(`"verdict":`, `"verdict":"rejected","verdict":`), nil, 2, "take the line out"},
		"another kind of line":   {edit("hallmark.verify-line/v1", "hallmark.verify-line/v2"), nil, 2, "schemaVersion"},
		"a line that is no JSON": {edit("{", ""), nil, 2, "line 1"},
		"signing by it":          {nil, []string{"--pin", "-f", list}, 2, "nothing is signed or pinned"},
		"a report of it":         {nil, []string{"-o", "json"}, 2, "tell the whole of a run"},
		"no file":                {nil, []string{"-o", "jsonl"}, 2, "go to one place"},
	} {
		t.Run(name, func(t *testing.T) {
			restore := edit("", "")
			if err := restore(); err != nil {
				t.Fatal(err)
			}
			if c.edit != nil {
				if err := c.edit(); err != nil {
					t.Fatal(err)
				}
			}
			held, _ := os.ReadFile(file)
			if _, stderr := call(t, c.code, append(slices.Clone(same), c.args...)...); !strings.Contains(stderr, c.says) {
				t.Errorf("want %q in\n%s", c.says, stderr)
			}
			if after, _ := os.ReadFile(file); string(after) != string(held) {
				t.Errorf("the file was changed:\n%s", after)
			}
		})
	}
	if err := os.WriteFile(file, before, 0o644); err != nil {
		t.Fatal(err)
	}
	// Where the key lies is no part of the question.
	args := slices.Clone(same)
	args[2] = copied
	if stdout, _ := call(t, 0, args...); !strings.Contains(stdout, "3 of them were judged before") {
		t.Error(stdout)
	}
	call(t, 2, "verify", "--key", public, "--list", writeList(t, refs[1], refs[0], refs[2]), "-o", "jsonl="+file, "--resume")
	call(t, 2, "verify", "--key", public, "--list", writeList(t, refs[:2]...), "-o", "jsonl="+file, "--resume")
	call(t, 0, "verify", "--key", public, "--list", writeList(t, append(refs, refs[0])...), "-o", "jsonl="+file, "--resume")
	if got := readLines(t, file); len(got) != 4 {
		t.Errorf("a list that grew: %d lines, want 4", len(got))
	}
}

// TestManyInterrupt: Ctrl-C leaves lines that are whole, and the run goes on behind them.
func TestManyInterrupt(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	registry := testkit.Registry(t)
	refs := signedTags(t, registry, private, 60)
	list, file := writeList(t, refs...), filepath.Join(t.TempDir(), "l.jsonl")
	var asked atomic.Int64
	release := make(chan struct{})
	registry.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/manifests/v") && asked.Add(1) > 20 {
				select {
				case <-release:
				case <-r.Context().Done():
				}
			}
			next.ServeHTTP(w, r)
		})
	})
	args := []string{"verify", "--key", public, "--list", list, "--parallel", "4", "-o", "jsonl=" + file, "--resume"}
	cmd := exec.Command("hallmark", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); asked.Load() < 22 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("got %v, want exit code 130: %s", err, stderr.String())
	}
	if !strings.Contains(stderr.String(), "the same command with --resume goes on") {
		t.Errorf("no word about going on: %s", stderr.String())
	}
	held := readLines(t, file)
	for i, l := range held {
		if l.Position != i+1 || l.Verdict != "verified" {
			t.Errorf("line %d: %+v", i+1, l)
		}
	}
	if len(held) == 0 || len(held) > 20 {
		t.Errorf("%d lines, want some, and 20 at most", len(held))
	}
	close(release)
	stdout, _ := call(t, 0, args...)
	if want := fmt.Sprintf("%d of them were judged before", len(held)); !strings.Contains(stdout, want) || len(readLines(t, file)) != 60 {
		t.Errorf("want %q and 60 lines: %s", want, stdout)
	}
}

// TestManyTimeout: when time is over, the rest is inconclusive, and the next run judges it.
func TestManyTimeout(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	registry := testkit.Registry(t)
	refs := signedTags(t, registry, private, 5)
	list, file := writeList(t, refs...), filepath.Join(t.TempDir(), "l.jsonl")
	registry.Use(testkit.DelayOf(testkit.PathHas("/manifests/v3"), 3*time.Second, 1))
	call(t, 5, "verify", "--key", public, "--list", list, "-o", "jsonl="+file, "--timeout", "2s")
	for i, l := range readLines(t, file) {
		if want := map[bool]string{true: "inconclusive", false: "verified"}[i == 3]; l.Verdict != want {
			t.Errorf("line %d: %+v, want %s", i+1, l, want)
		}
	}
	call(t, 0, "verify", "--key", public, "--list", list, "-o", "jsonl="+file, "--resume")
}
