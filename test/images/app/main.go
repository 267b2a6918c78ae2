// Command hello is the payload of the test images. It does next to nothing: what
// matters is that its build information names a few modules, so that a scanner
// has something to find in a Go binary.
package main

import (
	"fmt"
	"os"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
)

func main() {
	cmd := &cobra.Command{
		Use:   "hello",
		Short: "Print a greeting as YAML",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := yaml.Marshal(map[string]string{
				"id":       uuid.NewString(),
				"greeting": "hello",
				"language": language.English.String(),
			})
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(out)
			return err
		},
	}
	if err := cmd.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
