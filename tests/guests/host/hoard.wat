;; hoard - takes all the memory it can get, in three memories and three tables.
;;
;; Each request makes them grow until the host refuses them all, and logs what they are together: "held 0017 MiB",
;; rounded up, at 8 bytes an element of a table.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (func (export "proxy_abi_version_0_2_1"))
  (memory $main (export "memory") 1)
  (memory $second 1)
  (memory $third 0)
  (table $a 10 funcref)
  (table $b 0 externref)
  (table $c 0 externref)
  (data (memory $main) (i32.const 16) "held 0000 MiB")
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))

  (func $grow_all (local $had i32)
    (loop $more
      (local.set $had (i32.ne (table.grow $a (ref.null func) (i32.const 50000)) (i32.const -1)))
      (local.set $had (i32.or (local.get $had) (i32.ne (memory.grow $main (i32.const 4)) (i32.const -1))))
      (local.set $had (i32.or (local.get $had) (i32.ne (table.grow $b (ref.null extern) (i32.const 50000)) (i32.const -1))))
      (local.set $had (i32.or (local.get $had) (i32.ne (memory.grow $second (i32.const 4)) (i32.const -1))))
      (local.set $had (i32.or (local.get $had) (i32.ne (table.grow $c (ref.null extern) (i32.const 50000)) (i32.const -1))))
      (local.set $had (i32.or (local.get $had) (i32.ne (memory.grow $third (i32.const 4)) (i32.const -1))))
      (br_if $more (local.get $had))))

  (func $held (result i64)
    (i64.add
      (i64.shl (i64.extend_i32_u (i32.add (memory.size $main) (i32.add (memory.size $second) (memory.size $third)))) (i64.const 16))
      (i64.shl (i64.extend_i32_u (i32.add (table.size $a) (i32.add (table.size $b) (table.size $c)))) (i64.const 3))))

  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $mib i32) (local $at i32)
    (call $grow_all)
    (local.set $mib (i32.wrap_i64 (i64.shr_u (i64.add (call $held) (i64.const 0xfffff)) (i64.const 20))))
    (local.set $at (i32.const 24))
    (loop $digit
      (i32.store8 $main (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $mib) (i32.const 10))))
      (local.set $mib (i32.div_u (local.get $mib) (i32.const 10)))
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (br_if $digit (i32.gt_u (local.get $at) (i32.const 20))))
    (drop (call $log (i32.const 2) (i32.const 16) (i32.const 13)))
    (i32.const 0)))
