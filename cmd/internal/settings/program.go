package settings

// A Program is one of the executables, as its users know it.
type Program struct {
	Name string // ingest; begins its error messages, is part of its metrics' names
	Help string // what it is for, above the flags in --help
	// Admin is the default of the setting admin, such as 127.0.0.1:9101. It
	// counts only where the command has such a setting.
	Admin string
	// Others are the structs of the programs that may share its settings file.
	// Their keys and variables are no mistakes.
	Others []any
	// Variables are names SCANHOUND_... that are known though no setting has them.
	Variables []string
}

// Beside returns p as it is where it may share its settings file with others.
func (p Program) Beside(others ...any) Program {
	p.Others = others
	return p
}

// Log are the settings of the logger, which every program has.
type Log struct {
	Level  string `default:"info" enum:"debug,info,warn,error" help:"Least level that is written."`
	Format string `default:"auto" enum:"auto,text,json" help:"Form of a log line; auto is text on a terminal, else json."`
}
