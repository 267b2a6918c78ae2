package cli_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/cli"
	"github.com/hallmark-project/hallmark/internal/testkit"
)

// call runs one command line, wants an exit code and returns what was printed.
func call(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, got := runCode(args...)
	if got != code {
		t.Fatalf("hallmark %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, stdout, stderr)
	}
	return stdout, stderr
}

// run runs one command line, however it ends.
func run(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, _ = runCode(args...)
	return stdout, stderr
}

// runCode runs one command line in this process.
func runCode(args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	app := &cli.App{In: strings.NewReader(""), Out: &out, Err: &errs, Now: time.Now,
		Env: func(name string) (string, bool) {
			if name == "HALLMARK_PASSWORD" {
				return "", true
			}
			return "", false
		}}
	code = app.Run(context.Background(), args)
	return out.String(), errs.String(), code
}

// keyPair makes a key pair and returns the names of both files.
func keyPair(t *testing.T) (private, public string) {
	t.Helper()
	prefix := filepath.Join(t.TempDir(), "k")
	call(t, 0, "keys", "generate", "--output-key-prefix", prefix)
	return prefix + ".key", prefix + ".pub"
}

// delay is what each request takes longer in the tests that count sequential round
// trips. It is more than a registry far away would take, so that requests that are made
// at once overlap on a busy machine too; what is counted does not depend on it.
const delay = 150 * time.Millisecond

// TestRoundTrips counts sequential round trips. Through 50 ms a request, cosign 3.1.3
// signs in 15 (17 without the referrers API), verifies in 7 (9), and downloads every
// bundle twice (cosign#5051).
func TestRoundTrips(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	for _, c := range []struct {
		name         string
		options      []testkit.Option
		sign, verify int
	}{
		{"referrers API", nil, 4, 3},
		{"fallback tag", []testkit.Option{testkit.WithoutReferrers()}, 8, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			registry := testkit.Registry(t, append(c.options, testkit.Delay(delay))...)
			ref := testkit.PushImage(t, registry, "app:v1", testkit.NewImage())
			measure := func(most int, args ...string) {
				t.Helper()
				registry.Reset()
				call(t, 0, args...)
				if depth := registry.Depth(); depth > most || depth == 0 {
					t.Errorf("%s: %d sequential round trips, %d at most\n%s", args[0], depth, most, requests(registry))
				}
				for _, path := range registry.Twice() {
					if !strings.Contains(path, "/manifests/sha256-") { // the fallback list must be looked at again
						t.Errorf("%s: downloaded twice: %s", args[0], path)
					}
				}
				t.Logf("%s: %d requests, %d sequential", args[0], registry.Count(), registry.Depth())
			}
			measure(c.sign, "sign", "--key", private, ref)
			measure(c.verify, "verify", "--key", public, ref)
			// Attestations of another type are no reason to read more.
			for i := range 3 {
				file := filepath.Join(t.TempDir(), "p.json")
				if err := os.WriteFile(file, []byte(`{"result":"PASSED","configuration":[],"n":`+string(rune('0'+i))+`}`), 0o644); err != nil {
					t.Fatal(err)
				}
				call(t, 0, "attest", "--key", private, "--type", "test-result", "--predicate", file, ref)
			}
			measure(c.verify, "verify", "--key", public, ref)
		})
	}
}

// TestRoundTripsOfIndex: every platform's evidence is read at the same time.
func TestRoundTripsOfIndex(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	registry := testkit.Registry(t, testkit.Delay(delay))
	ref := testkit.PushImage(t, registry, "app:v1", testkit.NewIndex())
	call(t, 0, "release", "--key", private, ref)
	registry.Reset()
	call(t, 0, "verify", "--key", public, "--require", "signature,spdx,cyclonedx", ref)
	if depth := registry.Depth(); depth > 4 {
		t.Errorf("verify of an index: %d sequential round trips, 4 at most\n%s", depth, requests(registry))
	}
	if twice := registry.Twice(); len(twice) > 0 {
		t.Errorf("downloaded twice: %v", twice)
	}
}

func requests(s *testkit.Server) string {
	var b strings.Builder
	start := time.Time{}
	for _, r := range s.Requests() {
		if start.IsZero() {
			start = r.Start
		}
		b.WriteString(r.Start.Sub(start).Round(time.Millisecond).String() + " " + r.End.Sub(start).Round(time.Millisecond).String() + " " + r.Method + " " + r.Path + "\n")
	}
	return b.String()
}
