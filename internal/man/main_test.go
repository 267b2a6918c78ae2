package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/internal/cli"
)

// TestPages: each command has its page, which names its flags, and the same each time.
func TestPages(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	for _, dir := range []string{first, second} {
		if err := write(dir, "1767225600"); err != nil {
			t.Fatal(err)
		}
	}
	var check func(*cobra.Command)
	check = func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		page, err := os.ReadFile(filepath.Join(first, name))
		if err != nil {
			t.Error(err)
		}
		if again, err := os.ReadFile(filepath.Join(second, name)); err != nil || string(again) != string(page) {
			t.Errorf("%s differs from run to run (%v)", name, err)
		}
		if !strings.Contains(string(page), ".TH") || !strings.Contains(string(page), "Jan 2026") {
			t.Errorf("%s has no head with its date", name)
		}
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				check(sub)
			}
		}
	}
	check(cli.Command())
	page, err := os.ReadFile(filepath.Join(first, "hallmark-verify.1"))
	if err != nil || !strings.Contains(string(page), "certificate-identity") {
		t.Errorf("the page of verify does not tell its flags: %v", err)
	}
	if err := write(first, "yesterday"); err == nil {
		t.Error("a date that is none was taken")
	}
}
