package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *App) cacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "cache", Short: "Look at the cache, or empty it", Args: wants(cobra.NoArgs),
		Long: `The cache keeps what can be fetched or made again: manifests, configurations and evidence
by their digest, SBOMs by the image's digest, and what was found out about registries.
No verdict depends on it. --no-cache does without it.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var shown, cleared outputFlag
	info := &cobra.Command{
		Use: "info", Short: "Where the cache is, and what it holds", Args: wants(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.runCache(shown, false) },
	}
	empty := &cobra.Command{
		Use: "clear", Short: "Empty the cache", Args: wants(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.runCache(cleared, true) },
	}
	shown.add(info)
	cleared.add(empty)
	cmd.AddCommand(info, empty)
	return cmd
}

// cacheResult is what the commands about the cache print.
type cacheResult struct {
	SchemaVersion string `json:"schemaVersion"`
	Folder        string `json:"folder"`
	Files         int    `json:"files"`
	Bytes         int64  `json:"bytes"`
	Limit         int64  `json:"limit"`
	Removed       int    `json:"removed"`
}

func (a *App) runCache(output outputFlag, empty bool) error {
	asJSON, err := output.json()
	if err != nil {
		return err
	}
	store, err := a.openCache()
	if err != nil {
		return usage(err)
	}
	limit, err := a.cacheSize()
	if err != nil {
		return err
	}
	r := cacheResult{SchemaVersion: "hallmark.cache/v1", Folder: store.Dir(), Limit: limit}
	before, _ := store.Size()
	if empty {
		if err := store.Clear(); err != nil {
			return fileError(err)
		}
	}
	if r.Files, r.Bytes = store.Size(); empty {
		r.Removed = max(0, before-r.Files)
	}
	if asJSON {
		return a.printJSON(r)
	}
	text := fmt.Sprintf("%s: %d files, %d bytes of at most %d", r.Folder, r.Files, r.Bytes, r.Limit)
	if empty {
		text = fmt.Sprintf("%s: %d files removed", r.Folder, r.Removed)
	}
	_, err = fmt.Fprintln(a.Out, printableLines(text))
	return err
}
