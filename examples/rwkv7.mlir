// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RWKV-7 "Goose" (arXiv:2503.14456), every size. B, T and S (packed sequences) stay open until run time; every other name is
// a size that --rwkv-specialize solves by unifying the weights' shapes with the checkpoint's.
!Tok = tensor<?x?xi32,        #rwkv.dims<B, T>>
!Cu  = tensor<?xi32>                                    // cu_seqlens [S + 1]
!X   = tensor<?x?x?xf32,      #rwkv.dims<B, T, D>>      // activations
!F   = tensor<?x?x?xf32,      #rwkv.dims<B, T, F>>
!V   = tensor<?x?x?xf32,      #rwkv.dims<B, T, V>>
!Rw  = tensor<?x?x?xf32,      #rwkv.dims<B, T, Rw>>
!Ra  = tensor<?x?x?xf32,      #rwkv.dims<B, T, Ra>>
!Rv  = tensor<?x?x?xf32,      #rwkv.dims<B, T, Rv>>
!Rg  = tensor<?x?x?xf32,      #rwkv.dims<B, T, Rg>>
!Hd  = tensor<?x?x?x?xf32,    #rwkv.dims<B, T, H, N>>   // per head
!H1  = tensor<?x?x?xf32,      #rwkv.dims<B, T, H>>
!Y   = tensor<?x?xf32,        #rwkv.dims<S, D>>         // one row per sequence
!YV  = tensor<?x?xf32,        #rwkv.dims<S, V>>
!Sh  = tensor<?x?xf32,        #rwkv.dims<S, D>>         // token-shift state of one layer
!Shs = tensor<?x?x?xf32,      #rwkv.dims<L, S, D>>
!M   = tensor<?x?x?x?xf32,    #rwkv.dims<S, H, N, N>>   // matrix state of one layer, key x value
!Ms  = tensor<?x?x?x?x?xf32,  #rwkv.dims<L, S, H, N, N>>
!S   = !rwkv.state<?|?xf32>
!vN  = tensor<?xf32>

rwkv.model @rwkv7 {
  rwkv.param @ln_eps = 1.0e-5
  rwkv.param @ln_x_eps = 64.0e-5          // not in checkpoints: --param ln_x_eps=...
  rwkv.weight @emb    "emb.weight"                        #rwkv.dims<V, D>
  rwkv.weight @ln0.w  "blocks.0.ln0.weight"               #rwkv.dims<D>
  rwkv.weight @ln0.b  "blocks.0.ln0.bias"                 #rwkv.dims<D>
  rwkv.weight @ln1.w  "blocks.{l}.ln1.weight"             #rwkv.dims<D>
  rwkv.weight @ln1.b  "blocks.{l}.ln1.bias"               #rwkv.dims<D>
  rwkv.weight @ln2.w  "blocks.{l}.ln2.weight"             #rwkv.dims<D>
  rwkv.weight @ln2.b  "blocks.{l}.ln2.bias"               #rwkv.dims<D>
  rwkv.weight @x_r    "blocks.{l}.att.x_r"                #rwkv.dims<D>
  rwkv.weight @x_w    "blocks.{l}.att.x_w"                #rwkv.dims<D>
  rwkv.weight @x_k    "blocks.{l}.att.x_k"                #rwkv.dims<D>
  rwkv.weight @x_v    "blocks.{l}.att.x_v"                #rwkv.dims<D>
  rwkv.weight @x_a    "blocks.{l}.att.x_a"                #rwkv.dims<D>
  rwkv.weight @x_g    "blocks.{l}.att.x_g"                #rwkv.dims<D>
  rwkv.weight @w0     "blocks.{l}.att.w0"                 #rwkv.dims<D>
  rwkv.weight @w1     "blocks.{l}.att.w1"                 #rwkv.dims<D, Rw>     // (in, out)
  rwkv.weight @w2     "blocks.{l}.att.w2"                 #rwkv.dims<Rw, D>
  rwkv.weight @a0     "blocks.{l}.att.a0"                 #rwkv.dims<D>
  rwkv.weight @a1     "blocks.{l}.att.a1"                 #rwkv.dims<D, Ra>
  rwkv.weight @a2     "blocks.{l}.att.a2"                 #rwkv.dims<Ra, D>
  rwkv.weight @v0     "blocks.{l}.att.v0"                 #rwkv.dims<D>      when "l > 0"
  rwkv.weight @v1     "blocks.{l}.att.v1"                 #rwkv.dims<D, Rv>  when "l > 0"
  rwkv.weight @v2     "blocks.{l}.att.v2"                 #rwkv.dims<Rv, D>  when "l > 0"
  rwkv.weight @g1     "blocks.{l}.att.g1"                 #rwkv.dims<D, Rg>
  rwkv.weight @g2     "blocks.{l}.att.g2"                 #rwkv.dims<Rg, D>
  rwkv.weight @k_k    "blocks.{l}.att.k_k"                #rwkv.dims<D>
  rwkv.weight @k_a    "blocks.{l}.att.k_a"                #rwkv.dims<D>
  rwkv.weight @r_k    "blocks.{l}.att.r_k"                #rwkv.dims<H, N>
  rwkv.weight @Wr     "blocks.{l}.att.receptance.weight"  #rwkv.dims<D, D> transposed   // (out, in)
  rwkv.weight @Wk     "blocks.{l}.att.key.weight"         #rwkv.dims<D, D> transposed
  rwkv.weight @Wv     "blocks.{l}.att.value.weight"       #rwkv.dims<D, D> transposed
  rwkv.weight @Wo     "blocks.{l}.att.output.weight"      #rwkv.dims<D, D> transposed
  rwkv.weight @ln_x.w "blocks.{l}.att.ln_x.weight"        #rwkv.dims<D>
  rwkv.weight @ln_x.b "blocks.{l}.att.ln_x.bias"          #rwkv.dims<D>
  rwkv.weight @f_xk   "blocks.{l}.ffn.x_k"                #rwkv.dims<D>
  rwkv.weight @Fk     "blocks.{l}.ffn.key.weight"         #rwkv.dims<F, D> transposed
  rwkv.weight @Fv     "blocks.{l}.ffn.value.weight"       #rwkv.dims<D, F> transposed
  rwkv.weight @lno.w  "ln_out.weight"                     #rwkv.dims<D>
  rwkv.weight @lno.b  "ln_out.bias"                       #rwkv.dims<D>
  rwkv.weight @head   "head.weight"                       #rwkv.dims<V, D> transposed
  rwkv.dim @D = "H * N"

  // Logits at every position, [B, T, V].
  func.func @forward(%tokens: !Tok, %cu: !Cu, %s_att: !Shs {rwkv.state = "att_shift"},
                     %s_wkv: !Ms {rwkv.state = "wkv"}, %s_ffn: !Shs {rwkv.state = "ffn_shift"})
      -> (!V, !Shs {rwkv.state = "att_shift"}, !Ms {rwkv.state = "wkv"}, !Shs {rwkv.state = "ffn_shift"}) {
    %x, %n_att, %n_wkv, %n_ffn = func.call @trunk(%tokens, %cu, %s_att, %s_wkv, %s_ffn)
      : (!Tok, !Cu, !Shs, !Ms, !Shs) -> (!X, !Shs, !Ms, !Shs)
    %y = rwkv.norm %x, @lno.w, @lno.b over "D" eps @ln_eps : !X
    %logits = rwkv.linear %y, @head : !X -> !V
    return %logits, %n_att, %n_wkv, %n_ffn : !V, !Shs, !Ms, !Shs
  }

  // Logits after the last token of each sequence, [S, V]; with one token per sequence this is the decode step.
  func.func @prefill(%tokens: !Tok, %cu: !Cu, %s_att: !Shs {rwkv.state = "att_shift"},
                     %s_wkv: !Ms {rwkv.state = "wkv"}, %s_ffn: !Shs {rwkv.state = "ffn_shift"})
      -> (!YV, !Shs {rwkv.state = "att_shift"}, !Ms {rwkv.state = "wkv"}, !Shs {rwkv.state = "ffn_shift"}) {
    %x, %n_att, %n_wkv, %n_ffn = func.call @trunk(%tokens, %cu, %s_att, %s_wkv, %s_ffn)
      : (!Tok, !Cu, !Shs, !Ms, !Shs) -> (!X, !Shs, !Ms, !Shs)
    %last = rwkv.last %x reset(%cu : !Cu) : !X -> !Y
    %y = rwkv.norm %last, @lno.w, @lno.b over "D" eps @ln_eps : !Y
    %logits = rwkv.linear %y, @head : !Y -> !YV
    return %logits, %n_att, %n_wkv, %n_ffn : !YV, !Shs, !Ms, !Shs
  }

  func.func private @trunk(%tokens: !Tok, %cu: !Cu, %s_att: !Shs, %s_wkv: !Ms, %s_ffn: !Shs) -> (!X, !Shs, !Ms, !Shs) {
    %e  = rwkv.embed %tokens, @emb : !Tok -> !X
    %x0 = rwkv.norm %e, @ln0.w, @ln0.b over "D" eps @ln_eps : !X
    %z  = rwkv.fill 0.0 : !X
    %y, %vf, %n_att, %n_wkv, %n_ffn = rwkv.layers l in L
        iter(%x = %x0 : !X, %v_first = %z : !X)
        each(%pa = %s_att : !Shs, %S0 = %s_wkv : !Ms, %pf = %s_ffn : !Shs) -> (!X, !X, !Shs, !Ms, !Shs) {
      // ---- time mix
      %h  = rwkv.norm %x, @ln1.w, @ln1.b over "D" eps @ln_eps : !X
      %p, %pa1 = rwkv.token_shift %h, %pa reset(%cu : !Cu) : !X, !Sh
      %xr = rwkv.lerp %h, %p by @x_r : !X
      %xw = rwkv.lerp %h, %p by @x_w : !X
      %xk = rwkv.lerp %h, %p by @x_k : !X
      %xv = rwkv.lerp %h, %p by @x_v : !X
      %xa = rwkv.lerp %h, %p by @x_a : !X
      %xg = rwkv.lerp %h, %p by @x_g : !X
      %r  = rwkv.linear %xr, @Wr : !X -> !X
      %k  = rwkv.linear %xk, @Wk : !X -> !X
      %v  = rwkv.linear %xv, @Wv : !X -> !X
      // log decay = -e^{-1/2} sigmoid(w0 + tanh(xw w1) w2), in [-0.6065, 0]
      %w_1 = rwkv.linear %xw, @w1 : !X -> !Rw
      %w_2 = math.tanh %w_1 : !Rw
      %w_3 = rwkv.linear %w_2, @w2 : !Rw -> !X
      %w_0 = rwkv.get @w0 : !X
      %w_4 = arith.addf %w_0, %w_3 : !X
      %w_5 = rwkv.sigmoid %w_4 : !X
      %cw  = rwkv.fill -0.6065306597126334 : !X
      %lw  = arith.mulf %cw, %w_5 : !X
      // in-context learning rate
      %a_1 = rwkv.linear %xa, @a1 : !X -> !Ra
      %a_2 = rwkv.linear %a_1, @a2 : !Ra -> !X
      %a_0 = rwkv.get @a0 : !X
      %a_3 = arith.addf %a_0, %a_2 : !X
      %a   = rwkv.sigmoid %a_3 : !X
      // gate
      %g_1 = rwkv.linear %xg, @g1 : !X -> !Rg
      %g_2 = rwkv.sigmoid %g_1 : !Rg
      %g   = rwkv.linear %g_2, @g2 : !Rg -> !X
      // value residual from the first layer
      %vv:2 = rwkv.when "l > 0" -> (!X, !X) {
        %v_1 = rwkv.linear %xv, @v1 : !X -> !Rv
        %v_2 = rwkv.linear %v_1, @v2 : !Rv -> !X
        %v_0 = rwkv.get @v0 : !X
        %v_3 = arith.addf %v_0, %v_2 : !X
        %v_4 = rwkv.sigmoid %v_3 : !X
        %v_5 = arith.subf %v_first, %v : !X
        %v_6 = arith.mulf %v_5, %v_4 : !X
        %v_7 = arith.addf %v, %v_6 : !X
        rwkv.yield %v_7, %v_first : !X, !X
      } else {
        rwkv.yield %v, %v : !X, !X
      }
      // removal key: the normalised, unmodified key
      %kkw = rwkv.get @k_k : !X
      %kk0 = arith.mulf %k, %kkw : !X
      %kkh = rwkv.reshape %kk0 : !X -> !Hd
      %kk  = rwkv.l2norm %kkh over "N" floor 1.0e-12 : !Hd
      %one = rwkv.fill 1.0 : !X
      %am1 = arith.subf %a, %one : !X
      %kaw = rwkv.get @k_a : !X
      %kam = arith.mulf %am1, %kaw : !X
      %kap = arith.addf %one, %kam : !X
      %k2  = arith.mulf %k, %kap : !X
      %rh = rwkv.reshape %r  : !X -> !Hd
      %wh = rwkv.reshape %lw : !X -> !Hd
      %kh = rwkv.reshape %k2 : !X -> !Hd
      %vh = rwkv.reshape %vv#0 : !X -> !Hd
      %ah = rwkv.reshape %a  : !X -> !Hd
      %na = arith.negf %kk : !Hd
      %bb = arith.mulf %kk, %ah : !Hd
      %o, %S1 = rwkv.recurrence
          over(%rt = %rh : !Hd, %wt = %wh : !Hd, %kt = %kh : !Hd, %vt = %vh : !Hd, %at = %na : !Hd, %bt = %bb : !Hd)
          init(%S = %S0 : !M) reset(%cu : !Cu) -> (!Hd, !M) {
        %y_  = rwkv.read  %S[%at] : !S
        %Sa  = rwkv.decay %S, %wt on "key0" : !S
        %Sb  = rwkv.write %Sa[%bt], %y_ : !S
        %Sc  = rwkv.write %Sb[%kt], %vt : !S
        %ot  = rwkv.read  %Sc[%rt] : !S
        rwkv.yield %ot, %Sc : !vN, !S
      }
      // group norm, then the bonus of the current token, then the gate
      %gn  = rwkv.norm %o, @ln_x.w, @ln_x.b over "N" eps @ln_x_eps : !Hd
      %rkw = rwkv.get @r_k : !Hd
      %rk  = arith.mulf %rh, %kh : !Hd
      %rkk = arith.mulf %rk, %rkw : !Hd
      %s   = rwkv.sum %rkk over "N" : !Hd -> !H1
      %sb  = rwkv.broadcast %s : !H1 -> !Hd
      %bo  = arith.mulf %sb, %vh : !Hd
      %ob  = arith.addf %gn, %bo : !Hd
      %of  = rwkv.reshape %ob : !Hd -> !X
      %og  = arith.mulf %of, %g : !X
      %out = rwkv.linear %og, @Wo : !X -> !X
      %x1  = arith.addf %x, %out : !X
      // ---- channel mix
      %h2  = rwkv.norm %x1, @ln2.w, @ln2.b over "D" eps @ln_eps : !X
      %p2, %pf1 = rwkv.token_shift %h2, %pf reset(%cu : !Cu) : !X, !Sh
      %xf  = rwkv.lerp %h2, %p2 by @f_xk : !X
      %f1  = rwkv.linear %xf, @Fk : !X -> !F
      %f2  = rwkv.relu %f1 : !F
      %f3  = arith.mulf %f2, %f2 : !F
      %f4  = rwkv.linear %f3, @Fv : !F -> !X
      %x2  = arith.addf %x1, %f4 : !X
      rwkv.yield %x2, %vv#1, %pa1, %S1, %pf1 : !X, !X, !Sh, !M, !Sh
    }
    return %y, %n_att, %n_wkv, %n_ffn : !X, !Shs, !Ms, !Shs
  }
}
