package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/oidc"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/provenance"
	"github.com/hallmark-project/hallmark/sbom"
)

// maxHistory is how many references are remembered for completing them.
const maxHistory = 200

type suggest = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completions tells the shell what can stand behind flags and commands.
func (a *App) completions(root *cobra.Command) {
	byFlag := map[string]suggest{
		"type": fixed(policy.Names()), "require": fixed(policy.Names()),
		"format": fixed(sbomFormats()), "provider": fixed(strings.Split(oidc.Names(), ", ")),
		"provenance": fixed(append(provenance.Kinds(), provenanceAuto, provenance.Generic, provenanceOff)),
		"platform":   fixed([]string{"linux/amd64", "linux/arm64", "linux/arm/v7", "linux/ppc64le", "linux/riscv64", "linux/s390x", "windows/amd64"}),
		"log-format": fixed([]string{logText, logJSON}), "key": filesOf("key", "pub", "pem"), "policy": filesOf("yaml", "yml"),
		"bundle": filesOf("json", "jsonl"), "trusted-root": filesOf("json", "jsonl"), "signing-config": filesOf("json"),
		"predicate": filesOf("json"), "statement": filesOf("json"), "build-metadata": filesOf("json"), "config": filesOf("yaml", "yml"),
		"git": folders, "spool": folders, "evidence-repository": a.references,
	}
	walk(root, func(cmd *cobra.Command) {
		for name, complete := range byFlag {
			if cmd.Flags().Lookup(name) != nil && (cmd == root || cmd.LocalNonPersistentFlags().Lookup(name) != nil) {
				register(cmd, name, complete)
			}
		}
		if cmd.Flags().Lookup("output") != nil {
			register(cmd, "output", fixed(outputsOf(cmd)))
		}
		if strings.Contains(cmd.Use, "SUBJECT") && cmd.ValidArgsFunction == nil {
			cmd.ValidArgsFunction = a.references
		}
	})
	for _, name := range []string{"log-format", "config"} {
		register(root, name, byFlag[name])
	}
}

// register notes a completion. Cobra refuses flags that are not there and second ones,
// neither of which changes anything.
func register(cmd *cobra.Command, name string, complete suggest) {
	_ = cmd.RegisterFlagCompletionFunc(name, complete)
}

// outputsOf are the formats that the help of -o names.
func outputsOf(cmd *cobra.Command) []string {
	usage := cmd.Flags().Lookup("output").Usage
	_, list, _ := strings.Cut(usage, ": ")
	list, _, _ = strings.Cut(list, ";")
	words := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	return slices.DeleteFunc(words, func(w string) bool { return w == "or" })
}

func sbomFormats() []string {
	var out []string
	for _, f := range sbom.Formats() {
		out = append(out, string(f))
	}
	return out
}

// fixed offers words; of a list with commas, for its last part.
func fixed(words []string) suggest {
	return func(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		before := toComplete[:strings.LastIndexByte(toComplete, ',')+1]
		var out []string
		for _, w := range words {
			if strings.HasPrefix(before+w, toComplete) {
				out = append(out, before+w)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

func filesOf(extensions ...string) suggest {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return extensions, cobra.ShellCompDirectiveFilterFileExt
	}
}

func folders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// schemes begin subjects that are not in a registry.
var schemes = []string{"oci:", "docker-archive:", "dir:", "file:", "sha256:"}

// references offers the subjects that were used before, and the schemes.
func (a *App) references(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, text := range append(a.history(), schemes...) {
		if strings.HasPrefix(text, toComplete) {
			out = append(out, text)
		}
	}
	return out, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveDefault
}

// historyFile remembers references, where a person is at a terminal.
func (a *App) historyFile() (string, error) {
	dir, err := a.stateDir()
	return filepath.Join(dir, "references"), err
}

func (a *App) history() []string {
	name, err := a.historyFile()
	if err != nil {
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := readBounded(f, name, 1<<20)
	if err != nil {
		return nil
	}
	return strings.Fields(string(data))
}

// remember notes a reference that was found, the newest first. It is a comfort, and what
// goes wrong with it is nobody's concern.
func (a *App) remember(text string) {
	if !a.Terminal || a.quiet || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return
	}
	name, err := a.historyFile()
	if err != nil || os.MkdirAll(filepath.Dir(name), 0o700) != nil {
		return
	}
	list := slices.DeleteFunc(a.history(), func(have string) bool { return have == text })
	list = append([]string{text}, list...)
	_ = writeFile(name, []byte(strings.Join(list[:min(len(list), maxHistory)], "\n")+"\n"), 0o600, true)
}
