// Command bench makes module zips as a server written in Go would: with CreateFromVCS of golang.org/x/mod, two at a
// time. scripts/bench.ts measures it. It extracts nothing, and checks nothing beyond what CreateFromVCS checks.
//
//	bench zip LIST REPOSITORY DIR   writes DIR/0.zip, DIR/1.zip, … for the versions of the JSON file LIST
//	bench hash LIST DIR             prints the h1 hash of each of them, a line each
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

type version struct {
	Path    string
	Version string
	Commit  string
	// The directory of the module in the repository, "" for its top.
	Dir string
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: bench zip LIST REPOSITORY DIR | bench hash LIST DIR")
	}
	data, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	var versions []version
	if err := json.Unmarshal(data, &versions); err != nil {
		return err
	}
	switch {
	case args[0] == "zip" && len(args) == 4:
		return writeZips(versions, args[2], args[3])
	case args[0] == "hash" && len(args) == 3:
		return printHashes(versions, args[2])
	}
	return fmt.Errorf("unknown arguments %q", args)
}

func writeZips(versions []version, repository, dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	next := make(chan int)
	failures := make([]error, len(versions))
	var group sync.WaitGroup
	for range 2 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range next {
				failures[i] = writeZip(versions[i], repository, zipFile(dir, i))
			}
		}()
	}
	for i := range versions {
		next <- i
	}
	close(next)
	group.Wait()
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

func writeZip(v version, repository, name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	m := module.Version{Path: v.Path, Version: v.Version}
	if err := zip.CreateFromVCS(file, m, repository, v.Commit, v.Dir); err != nil {
		file.Close()
		return fmt.Errorf("%s: %w", m, err)
	}
	return file.Close()
}

func printHashes(versions []version, dir string) error {
	for i := range versions {
		sum, err := dirhash.HashZip(zipFile(dir, i), dirhash.Hash1)
		if err != nil {
			return err
		}
		fmt.Println(sum)
	}
	return nil
}

func zipFile(dir string, i int) string {
	return filepath.Join(dir, strconv.Itoa(i)+".zip")
}
