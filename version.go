package zaq

import (
	"reflect"
	"runtime/debug"
)

// Version returns the version of this module that the program was built with, "(devel)" for a working tree.
// It is written into every file.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	path := reflect.TypeFor[Model]().PkgPath() // this package is the module's root
	if info.Main.Path == path {
		return info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "(devel)"
}
