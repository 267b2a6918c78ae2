package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// writers is how many processes attach to one digest at once.
const writers = 50

// TestConcurrentAttest: fifty processes attach to one digest at once, and fifty
// attestations are there. cosign loses 5 of 20 without the referrers API, and every
// process says that it succeeded (cosign#2432, go-containerregistry#2205).
func TestConcurrentAttest(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for writers to settle, more than once")
	}
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	for _, c := range []struct {
		name    string
		options []testkit.Option
	}{
		{"fallback tag, puts that take up to a second", []testkit.Option{testkit.WithoutReferrers(), testkit.RandomPutDelay(time.Second)}},
		{"referrers API", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			registry := testkit.Registry(t, c.options...)
			attachAll(t, private, public, testkit.PushImage(t, registry, "app:v1", testkit.NewImage()))
		})
	}
	t.Run("layout", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "layout")
		testkit.WriteLayout(t, dir, "v1", testkit.NewImage())
		attachAll(t, private, public, "oci:"+dir+":v1")
	})
}

func attachAll(t *testing.T, private, public, ref string) {
	t.Helper()
	start := time.Now()
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			cmd := exec.Command("hallmark", "attest", "--key", private, "--type", fmt.Sprintf("https://example.com/t/%d", i), "--predicate", "-", ref)
			cmd.Stdin = strings.NewReader(fmt.Sprintf(`{"n":%d}`, i))
			cmd.Env = append(os.Environ(), "HALLMARK_PASSWORD=")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("writer %d: %v\n%s", i, err, out)
			}
		})
	}
	wg.Wait()
	t.Logf("%d writers in %s", writers, time.Since(start).Round(time.Millisecond))
	args := []string{"verify", "--key", public, "-o", "json"}
	for i := range writers {
		args = append(args, "--require", fmt.Sprintf("https://example.com/t/%d", i))
	}
	out, _ := call(t, 0, append(args, ref)...)
	var result struct {
		Subjects []struct{ Verified []struct{ Evidence string } }
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatal(err)
	}
	distinct := map[string]bool{}
	for _, v := range result.Subjects[0].Verified {
		distinct[v.Evidence] = true
	}
	if len(distinct) != writers {
		t.Errorf("%d pieces of evidence, want %d", len(distinct), writers)
	}
}

// TestInterrupt: Ctrl-C ends at once with 130 and leaves nothing half-written.
func TestInterrupt(t *testing.T) {
	testkit.DockerConfig(t)
	registry := testkit.Registry(t, testkit.Delay(30*time.Second))
	dir := t.TempDir()
	temp := t.TempDir()
	cmd := exec.Command("hallmark", "sbom", "-o", "spdx-json=sbom.json", registry.Host+"/app:v1")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+temp)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for registry.Count() == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	start := time.Now()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("got %v, want exit code 130", err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it took %s to end", took)
	}
	for _, folder := range []string{dir, temp} {
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
			t.Errorf("left behind in %s: %v, %v", folder, left, err)
		}
	}
}

// TestReadOnlyFolder: what cannot be written is not written by half.
func TestReadOnlyFolder(t *testing.T) {
	dir := "/proc" // read-only for root too
	if os.Getuid() != 0 {
		dir = t.TempDir()
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"keys", "generate", "--output-key-prefix", filepath.Join(dir, "k")},
		{"sbom", "file:process_test.go", "-o", "spdx-json=" + filepath.Join(dir, "sbom.json")},
	} {
		if _, stderr := call(t, 2, args...); !strings.Contains(stderr, dir) {
			t.Errorf("the message does not name the file: %s", stderr)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".hallmark-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestSecretsStayHome: neither password nor credentials nor key show in what is
// printed, whatever fails.
func TestSecretsStayHome(t *testing.T) {
	private, _ := keyPair(t)
	registry := testkit.Registry(t, testkit.BasicAuth("user", "right-password-of-registry"))
	testkit.DockerLogin(t, registry.Host, "user", "wrong-password-of-registry")
	ref := testkit.PushImage(t, registry, "app:v1", testkit.NewImage())
	stdout, stderr := call(t, 5, "sign", "--key", private, ref)
	for _, secret := range []string{"wrong-password", "Basic ", "dXNlcjp"} {
		if strings.Contains(stdout+stderr, secret) {
			t.Errorf("%q shows in\n%s%s", secret, stdout, stderr)
		}
	}
}
