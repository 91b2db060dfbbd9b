// Command oracle answers questions about module rules with Go's own code.
// It reads one JSON request a line, {"fn": …, "args": […]}, and writes one JSON answer a line.
// Strings that are not UTF-8 cannot pass; file names and file contents therefore come as base64.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

type request struct {
	Fn   string
	Args []json.RawMessage
}

func main() {
	in := bufio.NewReader(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return
		}
		if err != nil && err != io.EOF {
			panic(err)
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			panic(err)
		}
		encoder.Encode(answer(r))
	}
}

// str returns a string argument.
func (r request) str(i int) string {
	var s string
	if err := json.Unmarshal(r.Args[i], &s); err != nil {
		panic(err)
	}
	return s
}

// raw returns an argument of base64.
func (r request) raw(i int) []byte {
	data, err := base64.StdEncoding.DecodeString(r.str(i))
	if err != nil {
		panic(err)
	}
	return data
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func answer(r request) any {
	switch r.Fn {
	case "unicode":
		return unicode.Version

	case "semver":
		v := r.str(0)
		return []any{semver.IsValid(v), semver.Canonical(v), module.CanonicalVersion(v), semver.Major(v),
			semver.Prerelease(v), semver.Build(v)}
	case "compare":
		return semver.Compare(r.str(0), r.str(1))
	case "sort":
		var list []string
		if err := json.Unmarshal(r.Args[0], &list); err != nil {
			panic(err)
		}
		semver.Sort(list)
		return list

	case "module path":
		return message(module.CheckPath(r.str(0)))
	case "import path":
		return message(module.CheckImportPath(r.str(0)))
	case "file path":
		return message(module.CheckFilePath(string(r.raw(0))))
	case "split":
		prefix, pathMajor, ok := module.SplitPathVersion(r.str(0))
		if !ok {
			return nil
		}
		return []string{prefix, pathMajor}
	case "match":
		return module.MatchPathMajor(r.str(0), r.str(1))
	case "prefix":
		return module.PathMajorPrefix(r.str(0))

	case "escape path":
		return orNil(module.EscapePath(r.str(0)))
	case "escape version":
		return orNil(module.EscapeVersion(r.str(0)))
	case "unescape path":
		return orNil(module.UnescapePath(r.str(0)))
	case "unescape version":
		return orNil(module.UnescapeVersion(r.str(0)))

	case "pseudo":
		var seconds int64
		if err := json.Unmarshal(r.Args[2], &seconds); err != nil {
			panic(err)
		}
		return module.PseudoVersion(r.str(0), r.str(1), time.Unix(seconds, 0), r.str(3))
	case "parse pseudo":
		v := r.str(0)
		rev, _ := module.PseudoVersionRev(v)
		var seconds any
		if t, err := module.PseudoVersionTime(v); err == nil {
			seconds = t.Unix()
		}
		return []any{module.IsPseudoVersion(v), orNil(module.PseudoVersionBase(v)), seconds, rev}

	case "fold":
		return strings.EqualFold(r.str(0), r.str(1))
	case "hash":
		return hash(r)
	case "modulepath":
		return modfile.ModulePath(r.raw(0))
	case "gomod":
		return parse(r.raw(0))
	case "zip":
		return check(r)
	}
	panic("unknown function " + r.Fn)
}

func orNil(s string, err error) any {
	if err != nil {
		return nil
	}
	return s
}

func hash(r request) any {
	contents := make(map[string]string)
	if err := json.Unmarshal(r.Args[0], &contents); err != nil {
		panic(err)
	}
	var names []string
	for name := range contents {
		names = append(names, name)
	}
	return orNil(dirhash.Hash1(names, func(name string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader([]byte(contents[name]))), nil
	}))
}

type retraction struct {
	Low       string `json:"low"`
	High      string `json:"high"`
	Rationale string `json:"rationale,omitempty"`
}

type parsed struct {
	Module     string       `json:"module"`
	Go         string       `json:"go,omitempty"`
	Retract    []retraction `json:"retract"`
	Deprecated string       `json:"deprecated,omitempty"`
}

func parse(data []byte) any {
	f, err := modfile.ParseLax("go.mod", data, nil)
	if err != nil {
		return map[string]string{"error": err.Error()}
	}
	p := parsed{Retract: []retraction{}}
	if f.Module != nil {
		p.Module, p.Deprecated = f.Module.Mod.Path, f.Module.Deprecated
	}
	if f.Go != nil {
		p.Go = f.Go.Version
	}
	for _, r := range f.Retract {
		p.Retract = append(p.Retract, retraction{r.Low, r.High, r.Rationale})
	}
	return p
}

// A file is an entry of a list for zip.CheckFiles.
type file struct {
	path string
	mode fs.FileMode
	size int64
	data []byte
}

func (f file) Path() string                 { return f.path }
func (f file) Lstat() (os.FileInfo, error)  { return info{f}, nil }
func (f file) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.data)), nil }

type info struct{ file }

func (i info) Name() string       { return i.path }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }

// check answers with what zip.CheckFiles says of a list of files, the root go.mod having the given content.
func check(r request) any {
	var entries []struct {
		Path string // base64
		Mode string
		Size int64
	}
	if err := json.Unmarshal(r.Args[0], &entries); err != nil {
		panic(err)
	}
	modes := map[string]fs.FileMode{"file": 0o644, "symlink": fs.ModeSymlink, "other": fs.ModeNamedPipe}
	var files []zip.File
	for _, e := range entries {
		path, err := base64.StdEncoding.DecodeString(e.Path)
		if err != nil {
			panic(err)
		}
		files = append(files, file{string(path), modes[e.Mode], e.Size, r.raw(1)})
	}
	cf, _ := zip.CheckFiles(files)
	var omitted [][]string
	for _, e := range cf.Omitted {
		omitted = append(omitted, []string{e.Path, e.Err.Error()})
	}
	var invalid []string
	for _, e := range cf.Invalid {
		invalid = append(invalid, e.Err.Error())
	}
	return map[string]any{"valid": cf.Valid, "omitted": omitted, "invalid": invalid, "size": message(cf.SizeError)}
}
