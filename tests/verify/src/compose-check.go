package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	bad := 0
	for _, f := range os.Args[1:] {
		opts, err := cli.NewProjectOptions([]string{f}, cli.WithOsEnv, cli.WithConsistency(true), cli.WithNormalization(true))
		if err == nil {
			_, err = opts.LoadProject(context.Background())
		}
		if err != nil {
			bad = 1
			fmt.Printf("%s: %v\n", f, err)
		} else {
			fmt.Printf("%s: ok\n", f)
		}
	}
	os.Exit(bad)
}
