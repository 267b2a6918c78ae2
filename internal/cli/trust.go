package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/trust"
)

func (a *App) trustCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "trust", Short: "Set up, refresh and show whom keyless signatures are judged by", Args: wants(cobra.NoArgs),
		Long: `A trusted root names the authorities of one Sigstore deployment: who issues certificates,
which logs hold them and the signatures, who vouches for times. It comes from a TUF
repository ('trust init'), or from a file (--trusted-root, HALLMARK_TRUSTED_ROOT).

Without either, the public-good instance of Sigstore is asked, and where that fails the
snapshot in this program is used, with a warning that names its age.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.trustInitCommand(), a.trustUpdateCommand(), a.trustShowCommand(), a.trustCreateCommand(), a.trustFlushCommand())
	return cmd
}

func (a *App) trustInitCommand() *cobra.Command {
	var mirror, root string
	var output outputFlag
	cmd := &cobra.Command{
		Use: "init", Short: "Fetch trust material from a TUF repository", Args: wants(cobra.NoArgs),
		Long: `Fetch the trusted root and the signing configuration of a Sigstore deployment, and use
them from now on. Without flags it is the public-good instance; --mirror and --root name
another one's TUF repository and the root of its metadata, which must come to you by a way
that you trust.

The folder is HALLMARK_TRUST_DIR, else hallmark/trust in the user's configuration folder.`,
		Example: `  hallmark trust init
  hallmark trust init --mirror https://tuf.example.com --root root.json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runTrustInit(cmd.Context(), mirror, root, output) },
	}
	cmd.Flags().StringVar(&mirror, "mirror", trust.PublicGoodMirror, "`URL` of the TUF repository")
	cmd.Flags().StringVar(&root, "root", "", "`file` with the TUF root (root.json) that the repository's metadata is checked against")
	output.add(cmd)
	return cmd
}

func (a *App) runTrustInit(ctx context.Context, mirror, rootFile string, output outputFlag) error {
	asJSON, err := output.json()
	if err != nil {
		return err
	}
	var root []byte
	if rootFile != "" {
		if root, err = os.ReadFile(rootFile); err != nil {
			return usagef("--root: %w", err)
		}
	}
	if mirror != trust.PublicGoodMirror && root == nil {
		return usagef("--root is missing: the metadata of %s has to be checked against a root that you trust", mirror)
	}
	folder, err := a.trustFolder()
	if err != nil {
		return err
	}
	p := a.progress("Fetching trust material")
	m, err := folder.Init(ctx, mirror, root)
	p.end()
	if err != nil {
		return folderError(err)
	}
	return a.printMaterial(m, folder.Dir, asJSON)
}

// folderError makes a trust folder that cannot be written bad input.
func folderError(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return usagef("the trust folder: %w", err)
	}
	return err
}

func (a *App) trustUpdateCommand() *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use: "update", Short: "Fetch the trust material anew", Args: wants(cobra.NoArgs),
		Long: `Fetch the trust material of the repository that 'trust init' named. Other commands do
that by themselves when it is older than a day, unless --offline is given. Metadata that
has expired, is older than what was seen before, or is signed by others is refused, and
what was trusted before stays in use.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			asJSON, err := output.json()
			if err != nil {
				return err
			}
			folder, err := a.trustFolder()
			if err != nil {
				return err
			}
			p := a.progress("Fetching trust material")
			m, err := folder.Update(cmd.Context())
			p.end()
			if err != nil {
				return folderError(err)
			}
			return a.printMaterial(m, folder.Dir, asJSON)
		},
	}
	output.add(cmd)
	return cmd
}

type trustResult struct {
	SchemaVersion string `json:"schemaVersion"`
	Mirror        string `json:"mirror"`
	Fetched       string `json:"fetched"`
	Folder        string `json:"folder"`
	Signing       bool   `json:"signingConfig"`
}

func (a *App) printMaterial(m trust.Material, dir string, asJSON bool) error {
	r := trustResult{"hallmark.trust/v1", m.Mirror, m.Fetched.Format(time.RFC3339), dir, len(m.SigningConfig) > 0}
	if asJSON {
		return a.printJSON(r)
	}
	_, err := fmt.Fprintf(a.Out, "Trusting %s\n  fetched %s into %s\n'hallmark trust show' lists its authorities.\n", r.Mirror, r.Fetched, dir)
	return err
}

func (a *App) trustShowCommand() *cobra.Command {
	var t trustFlags
	var output outputFlag
	cmd := &cobra.Command{
		Use: "show", Short: "List the authorities that are trusted, and until when", Args: wants(cobra.NoArgs),
		Long: `List the authorities of the trusted root that a verification with the same flags would
use: who issues certificates, which logs are believed, who vouches for times, and in which
window each may be used. What ends within 30 days gets a warning.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runTrustShow(cmd.Context(), t, output) },
	}
	t.add(cmd)
	output.add(cmd)
	return cmd
}

type authorityRow struct {
	Kind        string     `json:"kind"`
	URI         string     `json:"uri,omitempty"`
	Operator    string     `json:"operator,omitempty"`
	Name        string     `json:"name,omitempty"`
	Fingerprint string     `json:"fingerprint"` // SHA-256 of the first certificate, or the log's ID
	From        *time.Time `json:"from,omitempty"`
	Until       *time.Time `json:"until,omitempty"`
	Warning     string     `json:"warning,omitempty"`
}

type instanceRow struct {
	Name        string         `json:"name"`
	Authorities []authorityRow `json:"authorities"`
}

func (a *App) runTrustShow(ctx context.Context, t trustFlags, output outputFlag) error {
	asJSON, err := output.json()
	if err != nil {
		return err
	}
	instances, err := a.instances(ctx, t)
	if err != nil {
		return err
	}
	var rows []instanceRow
	for _, i := range instances {
		rows = append(rows, instanceRow{i.Name, a.authorities(i)})
	}
	if asJSON {
		return a.printJSON(struct {
			SchemaVersion string        `json:"schemaVersion"`
			Roots         []instanceRow `json:"trustedRoots"`
		}{"hallmark.trust-show/v1", rows})
	}
	var text bytes.Buffer
	for _, row := range rows {
		fmt.Fprintln(&text, printableLines(row.Name))
		w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
		for _, r := range row.Authorities {
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", r.Kind, printableLines(firstOf(r.URI, r.Name, "-")), window(r), r.Fingerprint[:16], r.Warning)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	_, err = text.WriteTo(a.Out)
	return err
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

func window(r authorityRow) string {
	w := trust.Window{}
	if r.From != nil {
		w.From = *r.From
	}
	if r.Until != nil {
		w.Until = *r.Until
	}
	return w.String()
}

// authorities lists what a trusted root names.
func (a *App) authorities(i trust.Instance) (rows []authorityRow) {
	add := func(kind, uri, operator, name, fingerprint string, w trust.Window) {
		r := authorityRow{Kind: kind, URI: uri, Operator: operator, Name: name, Fingerprint: fingerprint, Warning: a.windowWarning(w)}
		if !w.From.IsZero() {
			r.From = &w.From
		}
		if !w.Until.IsZero() {
			r.Until = &w.Until
		}
		rows = append(rows, r)
	}
	for _, c := range i.CAs {
		add("certificate authority", c.URI, c.Operator, c.Certificates[0].Subject.String(), c.Fingerprint(), c.Lifetime())
	}
	for _, l := range i.CTLogs {
		add("certificate log", l.URI, l.Operator, "", fmt.Sprintf("%x", l.ID), l.Key.Validity)
	}
	for _, l := range i.Logs {
		add("transparency log", l.URI, l.Operator, "", fmt.Sprintf("%x", l.ID), l.Key.Validity)
	}
	for _, t := range i.TSAs {
		add("timestamp authority", t.URI, t.Operator, t.Certificates[0].Subject.String(), t.Fingerprint(), t.Lifetime())
	}
	return rows
}

func (a *App) windowWarning(w trust.Window) string {
	const soon = 30 * 24 * time.Hour
	switch now := a.Now(); {
	case !w.From.IsZero() && now.Before(w.From):
		return "not in use yet"
	case w.Until.IsZero():
		return ""
	case now.After(w.Until):
		return "ended: counts for what was signed before"
	case w.Until.Sub(now) < soon:
		return "ends in " + days(w.Until.Sub(now))
	}
	return ""
}

func (a *App) trustFlushCommand() *cobra.Command {
	var t trustFlags
	var dir string
	var retryFor time.Duration
	var output outputFlag
	cmd := &cobra.Command{
		Use: "flush", Short: "Log what was signed while the log was down", Args: wants(cobra.NoArgs),
		Long: `Complete the signatures that 'release --log-later' left: have the log hold them, and
attach the complete bundles beside the pending ones, which then count for nothing. What
fails stays for the next time; nothing is signed anew, so no identity is needed.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.runTrustFlush(cmd.Context(), t, dir, retryFor, output)
		},
	}
	t.add(cmd)
	cmd.Flags().StringVar(&dir, "spool", "", "`folder` that remembers what is to be logged (HALLMARK_SPOOL; else in the user's state folder)")
	cmd.Flags().DurationVar(&retryFor, "retry-for", sign.DefaultBudget, "how `long` to ask a log that is down")
	output.add(cmd)
	return cmd
}

func (a *App) runTrustFlush(ctx context.Context, t trustFlags, dir string, retryFor time.Duration, output outputFlag) error {
	asJSON, err := output.json()
	if err != nil {
		return err
	}
	from, err := a.spool(dir)
	if err != nil {
		return err
	}
	instances, err := a.instances(ctx, t)
	if err != nil {
		return err
	}
	notary := &sign.Notary{Client: a.signingClient(signerFlags{retryFor: retryFor}), Instances: instances}
	rows, failed := a.flush(ctx, from, notary)
	if asJSON {
		if rows == nil {
			rows = []flushedRow{}
		}
		return errors.Join(a.printJSON(struct {
			SchemaVersion string       `json:"schemaVersion"`
			Entries       []flushedRow `json:"entries"`
		}{"hallmark.flush/v1", rows}), failed)
	}
	if len(rows) == 0 && failed == nil {
		_, err = fmt.Fprintln(a.Out, "Nothing is waiting to be logged.")
		return err
	}
	for _, r := range rows {
		fmt.Fprintf(a.Out, "%-8s %s %s\n", r.Status, r.Subject, r.PredicateType)
	}
	return failed
}
