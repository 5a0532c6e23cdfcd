package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"zaq"
)

const versionUsage = `Show the version of this program.

Usage:
    zaq version

Example:
    zaq version
`

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:  "version",
		Long: versionUsage,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.stdout, "zaq %s %s %s/%s\n", zaq.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
