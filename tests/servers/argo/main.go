// The two parts of Argo CD that act on a cluster, in one program that looks at its own name: the
// original has twelve parts, and with them the clients of every code host.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	repository "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
)

func main() {
	var command *cobra.Command
	switch name := filepath.Base(os.Args[0]); name {
	case "argocd-application-controller":
		command = controller.NewCommand()
	case "argocd-repo-server":
		command = repository.NewCommand()
	default:
		fmt.Fprintln(os.Stderr, name, "is not a part of Argo CD that is here")
		os.Exit(2)
	}
	if command.Execute() != nil {
		os.Exit(1)
	}
}
