module nereid.dev/bench/fileserver

go 1.21
