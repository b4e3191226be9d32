// Command sallyport is the server and its client in one binary.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/internal/cli"
	"github.com/sallyport/sallyport/internal/server"
)

func main() { os.Exit(run(os.Args[1:])) }

// run executes one command line and returns the exit code: 0 done, 1 refused
// or failed, 2 wrong usage. The first interrupt ends the command in good
// order, the second one at once.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	env := cli.OSEnv(version())
	return cli.Run(ctx, command(env), env, args)
}

// command is the whole tree of commands.
func command(env cli.Env) *cobra.Command {
	root := &cobra.Command{
		Use:     "sallyport",
		Short:   "Authentication for organizations: the server, and its command line",
		Example: "  sallyport serve --dev        start a server to try out, on this machine alone",
		Version: env.Version,
	}
	root.AddCommand(slices.Concat(
		server.Commands(server.Terminal{Stdin: env.Stdin, Stdout: env.Stdout, Stderr: env.Stderr, Getenv: env.Getenv}),
		cli.Commands(env),
	)...)
	return root
}

// version is that of the module, as the build recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "devel"
}
