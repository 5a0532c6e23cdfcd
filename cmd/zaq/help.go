package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

const helpUsage = `Show how a verb is used.

Usage:
    zaq help [VERB]

Example:
    zaq help quantize
`

func newHelpCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:  "help",
		Long: helpUsage,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Root().Help()
			}
			for _, verb := range cmd.Root().Commands() {
				if verb.Name() == args[0] {
					_, err := fmt.Fprint(a.stdout, verb.Long)
					return err
				}
			}
			return unknownVerb(cmd.Root(), args[0])
		},
	}
}
