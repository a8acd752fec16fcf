# Thin: each target is a line, or a script under scripts/.

.PHONY: run setup test real-model bench eval lint openapi ci

run: setup            ## build, start on loopback with the demo, print how to try it
	@scripts/run.sh

setup:                ## fetch Postgres and the embedding model into .cache/
	@scripts/setup.sh

test: setup           ## the whole suite, on throw-away databases
	@scripts/test.sh

real-model: setup     ## a real llama.cpp server answers over a document (downloads 127 MB, Linux on x86-64; no part of test)
	@scripts/real_model.sh

bench: setup          ## speed and memory beside the bars and the peers; options: scripts/bench.sh --help
	@scripts/bench.sh

eval: setup           ## retrieval quality on the data of TANDEM_EVAL_DATA; options: scripts/eval.sh --help
	@scripts/eval.sh

lint:                 ## formatting, clippy, licences and sources of dependencies
	@scripts/lint.sh

openapi:              ## write docs/openapi.json anew from the handlers
	cargo run --quiet -p app -- openapi > docs/openapi.json

ci: lint test         ## what the gate runs
