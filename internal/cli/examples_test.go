package cli_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestExamplePolicies runs the cases beside the policies of the examples.
func TestExamplePolicies(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "*", "policy_test.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no example has cases: %v", err)
	}
	for _, file := range files {
		out, _ := call(t, 0, "policy", "test", strings.TrimSuffix(file, "_test.yaml")+".yaml")
		wants(t, out, "ok\t")
	}
}
