// Command mutants takes rules out, one at a time, and wants the tests to fail each
// time: a rule whose absence no test notices is not guarded. It changes no file, it
// overlays the changed source (go help build, -overlay).
//
//	mutants [-run REGEXP]
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	run := flag.String("run", "", "only rules whose name matches this `regexp`")
	flag.Parse()
	if err := all(*run); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func all(run string) error {
	only, err := regexp.Compile(run)
	if err != nil {
		return err
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	passed, failed := 0, 0
	for _, r := range rules {
		if !only.MatchString(r.name) {
			continue
		}
		start := time.Now()
		red, err := r.red(root)
		switch {
		case err != nil:
			failed++
			fmt.Printf("FAIL %s: %v\n", r.name, err)
		case !red:
			failed++
			fmt.Printf("FAIL %s: taken out of %s, and no test of %s notices\n", r.name, r.file, r.tests)
		default:
			passed++
			fmt.Printf("red  %s (%.1fs)\n", r.name, time.Since(start).Seconds())
		}
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 || passed == 0 {
		return fmt.Errorf("%d rules are not guarded", failed)
	}
	return nil
}

// red reports whether the tests fail with the rule taken out. A change that does not
// compile is an error: it would prove nothing.
func (r rule) red(root string) (bool, error) {
	source, err := os.ReadFile(filepath.Join(root, r.file))
	if err != nil {
		return false, err
	}
	if strings.Count(string(source), r.old) != 1 {
		return false, fmt.Errorf("%s holds %q %d times, once is wanted", r.file, r.old, strings.Count(string(source), r.old))
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return false, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	changed := filepath.Join(dir, filepath.Base(r.file))
	if err := os.WriteFile(changed, []byte(strings.Replace(string(source), r.old, r.new, 1)), 0o600); err != nil {
		return false, err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, r.file): changed}})
	if err != nil {
		return false, err
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		return false, err
	}
	cmd := exec.Command("go", append([]string{"test", "-tags=disable_grpc_modules,grpcnotrace", "-ldflags=-s -w", "-count=1", "-timeout=2m", "-failfast", "-vet=off", "-overlay", overlayFile}, strings.Fields(r.tests)...)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("[setup failed]")) {
		return false, fmt.Errorf("does not build without it:\n%s", out)
	}
	return err != nil, nil
}
