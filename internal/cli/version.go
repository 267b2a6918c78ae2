package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker in releases.
var version string

// Version is the version of this program: a release's, else that of the module, else
// "devel".
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

type versionResult struct {
	SchemaVersion string `json:"schemaVersion"`
	Version       string `json:"version"`
	Go            string `json:"go"`
	Platform      string `json:"platform"`
}

func (a *App) versionCommand() *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: wants(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			asJSON, err := output.json()
			if err != nil {
				return err
			}
			r := versionResult{"hallmark.version/v1", Version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if asJSON {
				return a.printJSON(r)
			}
			_, err = fmt.Fprintf(a.Out, "hallmark %s (%s, %s)\n", r.Version, r.Go, r.Platform)
			return err
		},
	}
	output.add(cmd)
	return cmd
}

// printJSON prints one result as indented JSON. Text of strangers stays as it is,
// escaped as JSON wants.
func (a *App) printJSON(v any) error { return writeJSON(a.Out, v) }

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
