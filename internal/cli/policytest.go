package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/verify"
)

// testSuffix ends the names of files of cases, before .yaml.
const testSuffix = "_test"

// errFailedCases says that something was found wanting that was to be tested.
var errFailedCases = errors.New("found wanting")

type policyTestOptions struct {
	run    string
	trust  trustFlags
	output outputFlag
}

// caseResult is what became of one case.
type caseResult struct {
	File    string  `json:"file"`
	Name    string  `json:"name"`
	Passed  bool    `json:"passed"`
	Seconds float64 `json:"seconds"`
	Verdict string  `json:"verdict"`
	Problem string  `json:"problem,omitempty"`
}

type policyTestResult struct {
	SchemaVersion string       `json:"schemaVersion"`
	Passed        int          `json:"passed"`
	Failed        int          `json:"failed"`
	Cases         []caseResult `json:"cases"`
}

func (a *App) policyTestCommand() *cobra.Command {
	var o policyTestOptions
	cmd := &cobra.Command{
		Use: "test FILE|DIR...", Short: "Judge the cases that are kept beside a policy", Args: wants(cobra.MinimumNArgs(1)),
		Long: `Judge the cases beside a policy, and compare what is decided with what they expect. The
cases of policy.yaml are in policy_test.yaml; those of a folder, which is one policy, in
the files of the folder that end in _test.yaml. Subjects are images or recorded evidence:
layouts, or files with bundles; paths are relative to the file of cases.

Exit code 3 if a case fails.`,
		Example: "  hallmark policy test policy.yaml",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.runPolicyTest(cmd.Context(), args, o) },
	}
	cmd.Flags().StringVar(&o.run, "run", "", "only cases whose name matches this `pattern`")
	o.trust.add(cmd)
	o.output.add(cmd)
	return cmd
}

func (a *App) runPolicyTest(ctx context.Context, names []string, o policyTestOptions) error {
	asJSON, err := o.output.json()
	if err != nil {
		return err
	}
	chosen, err := regexp.Compile(o.run)
	if err != nil {
		return usagef("--run: %w", err)
	}
	result := policyTestResult{SchemaVersion: "hallmark.policy-test/v1", Cases: []caseResult{}}
	for _, name := range names {
		files, err := caseFiles(name)
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := a.runCases(ctx, &result, name, file, chosen, o, asJSON); err != nil {
				return err
			}
		}
	}
	if result.Passed+result.Failed == 0 {
		return usagef("no case was run")
	}
	if asJSON {
		err = a.printJSON(result)
	}
	if err == nil && result.Failed > 0 {
		return shownError{fmt.Errorf("%w: %d cases failed", errFailedCases, result.Failed)}
	}
	return err
}

// caseFiles finds the cases of a policy.
func caseFiles(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, usagef("policy: %w", err)
	}
	if !info.IsDir() {
		ext := filepath.Ext(name)
		return []string{strings.TrimSuffix(name, ext) + testSuffix + ext}, nil
	}
	var out []string
	for _, ext := range []string{".yaml", ".yml"} {
		found, err := filepath.Glob(filepath.Join(name, "*"+testSuffix+ext))
		if err != nil {
			return nil, usage(err)
		}
		out = append(out, found...)
	}
	if len(out) == 0 {
		return nil, usagef("%s: no file in it ends in %s.yaml", name, testSuffix)
	}
	slices.Sort(out)
	return out, nil
}

func (a *App) runCases(ctx context.Context, result *policyTestResult, name, file string, chosen *regexp.Regexp, o policyTestOptions, quiet bool) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return usagef("cases: %w", err)
	}
	cases, err := policy.ParseCases(policy.File{Name: file, Data: raw})
	if err != nil {
		return err
	}
	start, failed, ran := a.Now(), 0, 0
	for _, c := range cases {
		if !chosen.MatchString(c.Name) {
			continue
		}
		one, err := a.runCase(ctx, name, file, c, o)
		if err != nil {
			return err
		}
		ran++
		result.Cases = append(result.Cases, one)
		if one.Passed {
			result.Passed++
		} else {
			result.Failed++
			failed++
		}
		if !quiet {
			a.printCase(one, c)
		}
	}
	if !quiet {
		word := "ok"
		if failed > 0 {
			word = "FAIL"
		}
		fmt.Fprintf(a.Out, "%s\t%s\t%d cases\t%.3fs\n", word, file, ran, a.Now().Sub(start).Seconds())
	}
	return nil
}

func (a *App) printCase(r caseResult, c policy.Case) {
	word := "PASS"
	if !r.Passed {
		word = "FAIL"
	}
	fmt.Fprintf(a.Out, "--- %s: %s (%.2fs)\n", word, printableLines(r.Name), r.Seconds)
	if !r.Passed {
		fmt.Fprintf(a.Out, "    %s: %s\n", c.Position(), printableLines(r.Problem))
	}
}

// runCase judges one case as verify would.
func (a *App) runCase(ctx context.Context, name, file string, c policy.Case, o policyTestOptions) (caseResult, error) {
	start := a.Now()
	dir := filepath.Dir(file)
	v := verifyOptions{trust: o.trust, platforms: c.Platforms, maxBundle: defaultMaxBundle, policy: policyFlags{files: []string{name}, environment: c.Environment, as: c.Image}}
	for _, b := range c.Bundles {
		v.bundles = append(v.bundles, beside(dir, b))
	}
	v.output = outputsFlag{verdictFormats(), []string{formatText}}
	b, err := a.bench(ctx, v)
	if err != nil {
		return caseResult{}, fmt.Errorf("%s: %w", c.Position(), err)
	}
	if c.Time != nil {
		b.at = *c.Time
	}
	j := b.judge(ctx, subjectBeside(dir, c.Subject))
	if ctx.Err() != nil {
		return caseResult{}, ctx.Err()
	}
	r := caseResult{File: file, Name: c.Name, Verdict: j.Verdict, Passed: j.Verdict == c.Expect, Seconds: a.Now().Sub(start).Round(time.Millisecond).Seconds()}
	causes := causesOf(j)
	switch {
	case !r.Passed:
		r.Problem = strings.TrimSuffix(fmt.Sprintf("it is %s, and should be %s: %s", j.Verdict, c.Expect, causes), ": ")
	case c.Because != "" && !strings.Contains(causes, c.Because):
		r.Passed, r.Problem = false, fmt.Sprintf("it is %s as it should be, but not because of %q: %s", j.Verdict, c.Because, causes)
	}
	return r, nil
}

func causesOf(j *judgement) string {
	var failed *verify.Error
	if errors.As(j.err, &failed) {
		var list []string
		for _, f := range failed.Failures {
			list = append(list, f.Type+": "+f.Cause)
		}
		return strings.Join(list, "; ")
	}
	if j.err != nil {
		return j.err.Error()
	}
	return ""
}

func beside(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// subjectBeside makes the path in a subject relative to a folder.
func subjectBeside(dir, subject string) string {
	for _, scheme := range []string{"oci:", "file:", "docker-archive:", "dir:"} {
		if path, ok := strings.CutPrefix(subject, scheme); ok {
			return scheme + beside(dir, path)
		}
	}
	return subject
}
