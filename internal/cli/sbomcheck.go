package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/inventory"
	"github.com/hallmark-project/hallmark/sbom"
)

type sbomCheckOptions struct {
	standards []string
	platforms []string
	format    string
	output    outputFlag
}

// addSBOMCheck puts 'sbom check' below 'sbom', which takes a subject of its own: a flag
// that it does not know is no misspelt command.
func (a *App) addSBOMCheck(parent *cobra.Command) {
	parent.AddCommand(a.sbomCheckCommand())
	parent.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w\nSee '%s --help'", err, cmd.CommandPath()))
	})
}

func (a *App) sbomCheckCommand() *cobra.Command {
	var o sbomCheckOptions
	cmd := &cobra.Command{
		Use: "check FILE|SUBJECT", Short: "Look for the elements that standards want an SBOM to have", Args: wants(cobra.ExactArgs(1)),
		Long: `Say which elements of a standard an SBOM has, in how many of its components, and where
they stand. FILE is sbom:FILE, or the path of a file that ends in .json: SPDX 2, CycloneDX
or syft's JSON. Of a SUBJECT, the SBOM is made that 'hallmark sbom' would write.

  ntia-2021        Minimum Elements For a Software Bill of Materials, United States, 2021
  cisa-2025        the draft of its successor, August 2025
  bsi-tr-03183-2   BSI TR-03183-2 version 2.1.0, Germany, August 2025

The exit code is 3 if a required element is missing somewhere. Only what stands in the
document is looked for: whether it is true, and whether all components are listed, no
document can tell.`,
		Example: `  hallmark sbom check app.spdx.json
  hallmark sbom check --standard cisa-2025 --standard bsi-tr-03183-2 --format cyclonedx-json registry.example.com/app:v1`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runSBOMCheck(cmd.Context(), args[0], o) },
	}
	cmd.Flags().StringSliceVar(&o.standards, "standard", []string{inventory.NTIA2021}, "the `standard`: "+strings.Join(inventory.Standards(), ", ")+"; may be repeated")
	cmd.Flags().StringSliceVar(&o.platforms, "platform", nil, "only this `platform` of an index, such as linux/amd64; may be repeated")
	cmd.Flags().StringVar(&o.format, "format", string(sbom.SPDXJSON), "`format` of the SBOM that is made of a SUBJECT: spdx-json, cyclonedx-json or syft-json")
	o.output.add(cmd)
	return cmd
}

// sbomCheck is what 'sbom check' found.
type sbomCheck struct {
	SchemaVersion string            `json:"schemaVersion"`
	Subject       string            `json:"subject"`
	Passed        bool              `json:"passed"`
	Documents     []checkedDocument `json:"documents"` // one for each platform
}

type checkedDocument struct {
	Platform    string            `json:"platform,omitempty"`
	Digest      string            `json:"digest,omitempty"`
	Format      string            `json:"format"`
	SpecVersion string            `json:"specVersion"`
	Packages    int               `json:"packages"`
	Standards   []checkedStandard `json:"standards"`
}

type checkedStandard struct {
	Standard string             `json:"standard"`
	Passed   bool               `json:"passed"`
	Elements inventory.Findings `json:"elements"`
	Missing  []string           `json:"missing"` // the required ones that are not everywhere
}

func (o *sbomCheckOptions) check() (asJSON bool, err error) {
	for _, name := range o.standards {
		if !slices.Contains(inventory.Standards(), name) {
			return false, usagef("--standard %q: want %s", name, strings.Join(inventory.Standards(), ", "))
		}
	}
	if _, err := sbom.ParseFormat(o.format); err != nil {
		return false, usagef("--format: %w", err)
	}
	return o.output.json()
}

func (a *App) runSBOMCheck(ctx context.Context, text string, o sbomCheckOptions) error {
	asJSON, err := o.check()
	if err != nil {
		return err
	}
	result, err := a.sbomCheck(ctx, text, o)
	if err != nil {
		return err
	}
	if asJSON {
		err = a.printJSON(result)
	} else {
		var b bytes.Buffer
		result.print(&b)
		_, err = b.WriteTo(a.Out)
	}
	if err != nil {
		return fmt.Errorf("printing what was found: %w", err) // what nobody could read is no success
	}
	return result.judge()
}

func (a *App) sbomCheck(ctx context.Context, text string, o sbomCheckOptions) (*sbomCheck, error) {
	s, err := a.session()
	if err != nil {
		return nil, err
	}
	c, err := a.openCatalogued(ctx, s, text, o.platforms)
	if err != nil {
		return nil, err
	}
	if len(o.platforms) > 0 && !c.index {
		return nil, usagef("--platform goes with an index, and %s is none", text)
	}
	result := &sbomCheck{SchemaVersion: "hallmark.sbom-check/v1", Subject: text, Passed: true}
	for i := range c.count() {
		doc, err := a.readCatalogued(ctx, c, i, sbom.Format(o.format))
		if err != nil {
			return nil, err
		}
		checked := checkedDocument{Platform: c.platform(i), Digest: c.digest(i), Format: doc.Format, SpecVersion: doc.SpecVersion, Packages: len(doc.Components)}
		for _, name := range o.standards {
			findings, err := inventory.Check(doc, name)
			if err != nil {
				return nil, err
			}
			missing := findings.Missing()
			checked.Standards = append(checked.Standards, checkedStandard{name, len(missing) == 0, findings, append([]string{}, missing...)})
			result.Passed = result.Passed && len(missing) == 0
		}
		result.Documents = append(result.Documents, checked)
	}
	return result, nil
}

// judge is the error of required elements that are missing.
func (r *sbomCheck) judge() error {
	var failed []string
	for _, d := range r.Documents {
		for _, s := range d.Standards {
			if !s.Passed {
				failed = append(failed, strings.TrimSpace(fmt.Sprintf("%s %s: required elements missing: %d", d.Platform, s.Standard, len(s.Missing))))
			}
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", errFailedCases, strings.Join(failed, "; "))
}

func (r *sbomCheck) print(w io.Writer) {
	for _, d := range r.Documents {
		title := strings.TrimSpace(r.Subject + " " + d.Platform)
		fmt.Fprintf(w, "%s: %s %s, %d packages\n", printable(title), d.Format, printable(d.SpecVersion), d.Packages)
		for _, s := range d.Standards {
			s.print(w)
		}
	}
}

func (s *checkedStandard) print(w io.Writer) {
	verdict := "all that is required is there"
	if !s.Passed {
		verdict = fmt.Sprintf("required elements missing: %d", len(s.Missing))
	}
	fmt.Fprintf(w, "\n%s: %s\n", s.Standard, verdict)
	for _, f := range s.Elements {
		fmt.Fprintf(w, "  %-14s %-55s %11s  %s\n", outcomeText(f), f.Element, fmt.Sprintf("%d of %d", f.Present, f.Of), f.Where)
		if len(f.Lacking) > 0 {
			fmt.Fprintf(w, "  %-14s lacking in %s\n", "", printable(lackingText(f)))
		}
		if f.Note != "" && f.Outcome != inventory.Passed {
			fmt.Fprintf(w, "  %-14s (%s)\n", "", f.Note)
		}
	}
}

// outcomeText tells what fails nobody from what does.
func outcomeText(f inventory.Finding) string {
	if f.Outcome == inventory.Failed && !f.Required {
		return "incomplete"
	}
	return f.Outcome
}

func lackingText(f inventory.Finding) string {
	text := strings.Join(f.Lacking, ", ")
	if more := f.Of - f.Present - len(f.Lacking); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
