package chaos

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// table counts what became of the runs behind the proxy.
type table struct {
	mu   sync.Mutex
	rows map[rowKey]*row
}

type rowKey struct{ fault, command string }

type row struct {
	runs                      int
	codes                     map[int]int
	requests, faults, retries int
	took                      time.Duration
}

// add notes one run.
func (t *table) add(fault, command string, out output, counts ...Counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows == nil {
		t.rows = map[rowKey]*row{}
	}
	r := t.rows[rowKey{fault, command}]
	if r == nil {
		r = &row{codes: map[int]int{}}
		t.rows[rowKey{fault, command}] = r
	}
	r.runs++
	r.codes[out.code]++
	r.took += out.took
	for _, c := range counts {
		r.requests, r.faults, r.retries = r.requests+c.Requests, r.faults+c.Total(), r.retries+c.Retries
	}
}

// markdown is the table for people.
func (t *table) markdown() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	b.WriteString("| command | faults | runs | exit codes | requests | spoiled | repeated | seconds each |\n|---|---|---|---|---|---|---|---|\n")
	keys := slices.SortedFunc(maps.Keys(t.rows), func(a, b rowKey) int {
		if c := slices.Index(commands, a.command) - slices.Index(commands, b.command); c != 0 {
			return c
		}
		return strings.Compare(a.fault, b.fault)
	})
	for _, k := range keys {
		r := t.rows[k]
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %d | %d | %d | %.1f |\n", k.command, k.fault, r.runs, codes(r.codes),
			r.requests, r.faults, r.retries, r.took.Seconds()/float64(r.runs))
	}
	return b.String()
}

// codes is such as "0: 12, 5: 3".
func codes(counts map[int]int) string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d: %d", code, counts[code]))
	}
	return strings.Join(parts, ", ")
}

// keep logs the table, and writes it to the file that CHAOS_TABLE names.
func (t *table) keep(test *testing.T) {
	test.Helper()
	test.Logf("\n%s", t.markdown())
	if name := os.Getenv("CHAOS_TABLE"); name != "" {
		if err := os.WriteFile(name, []byte(t.markdown()), 0o644); err != nil {
			test.Error(err)
		}
	}
}
