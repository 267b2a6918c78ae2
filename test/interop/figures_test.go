package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// Figures that hallmark has to keep.
const (
	verifyMemory = 100 << 20
	startUpRuns  = 15
)

// measureArgument makes the test binary run another program and tell its peak memory.
// A process's peak includes that of the one that started it, so the tests, which hold
// a registry in memory, cannot start it themselves.
const measureArgument = "measure-peak-memory"

type measurement struct {
	ExitCode int   `json:"exitCode"`
	Peak     int64 `json:"peak"`
}

func measureMain(args []string) int {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 1
	}
	m := measurement{cmd.ProcessState.ExitCode(), usage.Maxrss << 10}
	if json.NewEncoder(os.Stdout).Encode(m) != nil {
		return 1
	}
	return 0
}

// inSmallWrites is a copy of hallmark that was written piece by piece. How much of a program
// file counts as its memory depends on how the file came into the cache: of one that the
// linker has just written, nearly all does, although it is shared and can be dropped.
func inSmallWrites(t *testing.T) string {
	t.Helper()
	program, err := hallmarkProgram()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(filepath.Join(t.TempDir(), "hallmark"), os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	for piece := range slices.Chunk(content, 4<<10) {
		if _, err := out.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}

// TestVerifyMemory: verifying one platform of the real image, with SBOMs of several
// megabytes, takes little memory.
func TestVerifyMemory(t *testing.T) {
	r := oneRegistry(t, shop.distribution)
	d, i := newDesk(t), r.image(t, "oci")
	d.release(i.platform(0))
	hallmark := inSmallWrites(t)
	for _, requires := range []string{"signature", "signature,spdx,cyclonedx"} {
		out := d.run(os.Executable, 0, measureArgument, hallmark, "verify", "--key", d.keys.hallmark.public, "--require", requires, i.platform(0))
		m := decode[measurement](t, []byte(out.stdout))
		t.Logf("verify --require %s: peak memory %.1f MB", requires, float64(m.Peak)/1e6)
		if m.ExitCode != 0 || m.Peak >= verifyMemory {
			t.Errorf("verify --require %s: exit code %d, peak memory %d bytes, want less than %d", requires, m.ExitCode, m.Peak, verifyMemory)
		}
	}
}

// TestStartUp: hallmark starts as fast as cosign, or faster.
func TestStartUp(t *testing.T) {
	d := newDesk(t)
	var hallmark, cosign []time.Duration
	for range startUpRuns {
		hallmark = append(hallmark, d.hallmark(0, "version").took)
		cosign = append(cosign, d.cosign(0, "version").took)
	}
	h, c := median(hallmark), median(cosign)
	t.Logf("start-up: hallmark %v, cosign %v", h, c)
	if h > c*3/2 { // what is fast is told by `make bench`; this finds what got slow
		t.Errorf("hallmark version takes %v, cosign version %v", h, c)
	}
}

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}
