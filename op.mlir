func.func @f(%k_: tensor<?x?x1x3xf32>, %v_: tensor<?x?x1x5xf32>, %x_: tensor<?x?x1x5xf32>, %s_: tensor<?x1x3x5xf32>) -> (tensor<?x?x1x5xf32>, tensor<?x1x3x5xf32>) {
  %o, %sn = rwkv.recurrence over(%k = %k_ : tensor<?x?x1x3xf32>, %v = %v_ : tensor<?x?x1x5xf32>, %x = %x_ : tensor<?x?x1x5xf32>) init(%S = %s_ : tensor<?x1x3x5xf32>) -> (tensor<?x?x1x5xf32>, tensor<?x1x3x5xf32>) {
    %z = math.copysign %v, %x : tensor<5xf32>
    %S1 = rwkv.write %S[%k], %z : !rwkv.state<3|5xf32>
    %r = rwkv.read %S1[%k] : !rwkv.state<3|5xf32>
    rwkv.yield %r, %S1 : tensor<5xf32>, !rwkv.state<3|5xf32>
  }
  return %o, %sn : tensor<?x?x1x5xf32>, tensor<?x1x3x5xf32>
}
