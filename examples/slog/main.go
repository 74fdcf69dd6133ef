// Slog writes structured log records to wasio.
package main

import (
	"log/slog"

	"github.com/wasio-dev/wasio"
)

func main() {
	untimed := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	logger := slog.New(slog.NewJSONHandler(wasio.Stdout(), &slog.HandlerOptions{ReplaceAttr: untimed}))

	logger.Info("listening", "port", 8080)
	logger.With("request", 1).Warn("slow", "seconds", 2.5)
	logger.WithGroup("client").Error("gone", "bytes", 1024, "host", "example.com")
}
