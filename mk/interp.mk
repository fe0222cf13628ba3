# The interpreter: handlers are leaf functions that tail-call each other; a frame pointer in each would cost a
# quarter of the speed.  Contraction of a * b + c is off because wasm rounds twice.
CFLAGS_interp := -fomit-frame-pointer -ffp-contract=off -fno-math-errno -fno-stack-protector
