package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/internal/render"
)

func (a *App) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "policy", Short: "Write, check, test and explain policies", Args: wants(cobra.NoArgs),
		Long: `A policy is a YAML file, or several that add to one another, which says whose
evidence is wanted on which images: signers, rules, what is denied, environments.
'hallmark verify --policy FILE' judges by it. docs/guides/policy.md explains the format,
docs/policy.schema.json describes it for editors.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.policyInitCommand(), a.policyCheckCommand(), a.policyTestCommand(), a.policyExplainCommand())
	return cmd
}

// policyCheck is what `policy check` prints.
type policyCheck struct {
	SchemaVersion string              `json:"schemaVersion"`
	Name          string              `json:"name,omitempty"`
	Summary       string              `json:"summary"`
	Environments  []string            `json:"environments"`
	Digests       map[string]string   `json:"digests"` // by environment; "" is the policy without one
	Files         []render.PolicyFile `json:"files"`
	Warnings      []string            `json:"warnings"`
}

func (a *App) policyCheckCommand() *cobra.Command {
	var output outputFlag
	var strict bool
	cmd := &cobra.Command{
		Use: "check FILE|DIR...", Short: "Look for mistakes in a policy, and print its digest", Args: wants(cobra.MinimumNArgs(1)),
		Long: `Read a policy with the keys and certificates that it refers to, and warn about what it
probably does not mean. Several files, or those of a folder, are one policy.

The digest covers the files, the environment, and the keys and certificates: it is what a
verdict names ('hallmark verify --verdict').`,
		Example: "  hallmark policy check policy.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			asJSON, err := output.json()
			if err != nil {
				return err
			}
			r, err := a.checkPolicy(cmd.Context(), args)
			if err != nil {
				return err
			}
			if asJSON {
				err = a.printJSON(r)
			} else {
				err = a.printPolicyCheck(r)
			}
			if err == nil && strict && len(r.Warnings) > 0 {
				return shownError{fmt.Errorf("%w: %d warnings", errFailedCases, len(r.Warnings))}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "end with exit code 3 if there is a warning")
	output.add(cmd)
	return cmd
}

func (a *App) checkPolicy(ctx context.Context, files []string) (*policyCheck, error) {
	r := &policyCheck{SchemaVersion: "hallmark.policy-check/v1", Digests: map[string]string{}, Warnings: []string{}, Environments: []string{}}
	l, err := a.loadPolicyFiles(ctx, policyFlags{files: files})
	if err != nil {
		return nil, err
	}
	for _, environment := range append([]string{""}, l.set.Environments()...) {
		r.Digests[environment] = l.set.Digest(environment, l.material)
	}
	r.Name, r.Summary, r.Files = l.set.Name(), l.set.Summary(), l.described().Files
	r.Environments = append(r.Environments, l.set.Environments()...)
	r.Warnings = append(r.Warnings, l.set.Lint()...)
	r.Warnings = append(r.Warnings, l.twins()...)
	return r, nil
}

func (a *App) printPolicyCheck(r *policyCheck) error {
	for _, w := range r.Warnings {
		fmt.Fprintln(a.Out, "warning:", w)
	}
	fmt.Fprintf(a.Out, "%s\n", r.Summary)
	fmt.Fprintf(a.Out, "digest %s\n", r.Digests[""])
	for _, environment := range r.Environments {
		fmt.Fprintf(a.Out, "digest %s with --env %s\n", r.Digests[environment], environment)
	}
	_, err := fmt.Fprintf(a.Out, "%d warnings\n", len(r.Warnings))
	return err
}

func (a *App) policyExplainCommand() *cobra.Command {
	var environment string
	cmd := &cobra.Command{
		Use: "explain FILE|DIR...", Short: "Say in words what a policy asks for", Args: wants(cobra.MinimumNArgs(1)),
		Example: "  hallmark policy explain --env production policy.yaml",
		RunE: func(_ *cobra.Command, args []string) error {
			set, err := parsePolicies(args)
			if err != nil {
				return err
			}
			text, err := set.Explain(environment)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(a.Out, text)
			return err
		},
	}
	cmd.Flags().StringVar(&environment, "env", "", "`environment` of the policy")
	return cmd
}
