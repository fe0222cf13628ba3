/* jws_vectors.h - signed tokens to verify: those of RFC 7515, 7520 and 8037, and one made by node's crypto
 * for each algorithm.  Key parts are base64url, as in a JWK. */
#ifndef WEIR_SDK_JWS_VECTORS_H
#define WEIR_SDK_JWS_VECTORS_H

struct jws_vector {
    const char *name, *alg;
    const char *k;     /* HS */
    const char *n, *e; /* RS, PS */
    const char *x, *y; /* ES, EdDSA without y */
    const char *token;
};

static const struct jws_vector jws_vectors[] = {
    {.name = "RFC 7515 A.1",
     .alg = "HS256",
     .k = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
     .token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogI"
              "mh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
    {.name = "RFC 7515 A.2",
     .alg = "RS256",
     .n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0B"
          "m4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5"
          "z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7"
          "aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
     .e = "AQAB",
     .token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlL"
              "mNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7"
              "AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWz"
              "O75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZES"
              "c6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlU"
              "PQGe77Rw"},
    {.name = "RFC 7515 A.3",
     .alg = "ES256",
     .x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
     .y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
     .token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlL"
              "mNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
              "pmWQxfKTUJqPP3-Kg6NU1Q"},
    {.name = "RFC 7515 A.4",
     .alg = "ES512",
     .x = "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
     .y = "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
     .token = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWRO"
              "c-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vc"
              "nwNrmxYbSW9ERBXukOXolLzeO_Jn"},
    {.name = "RFC 7520 4.1",
     .alg = "RS256",
     .n = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJ"
          "mSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tp"
          "e-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vn"
          "iUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw",
     .e = "AQAB",
     .token = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ"
              "2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCw"
              "gYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ"
              "2h0IGJlIHN3ZXB0IG9mZiB0by4.MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZ"
              "opdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746i"
              "YTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLG"
              "djluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5"
              "y18kDquDg"},
    {.name = "RFC 7520 4.2",
     .alg = "PS384",
     .n = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJ"
          "mSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tp"
          "e-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vn"
          "iUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw",
     .e = "AQAB",
     .token = "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ"
              "2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCw"
              "gYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ"
              "2h0IGJlIHN3ZXB0IG9mZiB0by4.cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2Ip"
              "N6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsd"
              "iNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5"
              "awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8D"
              "YM-X72Eaw"},
    {.name = "RFC 7520 4.3",
     .alg = "ES512",
     .x = "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
     .y = "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1",
     .token = "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ"
              "2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCw"
              "gYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ"
              "2h0IGJlIHN3ZXB0IG9mZiB0by4.AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu"
              "9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbE"
              "PX6sFY8OcGDqoRuBomu9xQ2"},
    {.name = "RFC 7520 4.4",
     .alg = "HS256",
     .k = "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
     .token = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9.SXTigJlzI"
              "GEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGU"
              "gcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUge"
              "W91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0"},
    {.name = "RFC 8037 A.4",
     .alg = "EdDSA",
     .x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
     .token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGc"
              "vMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
    {.name = "node HS256",
     .alg = "HS256",
     .k = "UbpswuUoAGGHpiPFoT3qQHdeS_pxkkBlgPo25cNABK4",
     .token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJub2RlIiwic3ViIjoic29tZW9uZSIsImV4cCI6NDEwM"
              "jQ0NDgwMH0.PDTZ7e40c9UePeIXLvwA4mfXdRcahbJoTI7bVPWzBzo"},
    {.name = "node RS256",
     .alg = "RS256",
     .n = "8kO8BrSAiArxcvh4yDEnXH9RpmoGy-tzMohSrMVBA3pxlvfiLPd1bOuHBlYfaHaDrZ5I4nL1GjgQXewoITe_e-2TbQ"
          "_ttaB8MDvgQ6PM8ugQ8cVD1q6Yx2drHEOJaLW88XkPtKtNveDm7H-fLU8nONxa_-M6sWYn_xbEazDDYj8mlabg_eeQ"
          "PlPRkcLkSGOUPmANY15FwiU9VefokL9w7z8ildU9PQvLXb34V_brXLsDanQ6KMLg778B-m3bgEuSRHkh2ZFXZJ7qNK"
          "vKWYUo4pLnfJtN1AHE0qim3mkpVLmBuR-Vk3sTTITjrJys2FD8d6NaOpjPDvUMWIQyhvUfIw",
     .e = "AQAB",
     .token = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJub2RlIiwic3ViIjoic29tZW9uZSIsImV4cCI6NDEwM"
              "jQ0NDgwMH0.K5FaXtOheqf740SuzPeIck2QkNcCN2yUcezjGaRe4Mmjbz2lZI0XflHBhRB9vujTSnGZWFcPtBXDQ2P"
              "u1ztFaXNFNgM2IPkjq0BStUH_v-vsBHqtgSgF8AscvwK8VPu-nNf8kPyW3jl-3QC0TTcuA2zJ9XcdOwk_Hg6Cqgq2n"
              "FJbITckFd16ovznIDQwEzGpTYeAGxmex9P0FzqEivIrxYQDRg7mHvy-Px0d16GFtIneTSW6XgqI1fHfSgSzhtRF0Ys"
              "UkLawQ9eJLcDuJTZkxK4_OYoJdEOyloVl_9b8JQxa5qRc3qW8SyodTJhA-2E0O8VGiTNUfIxyrOiSndDcXQ"},
    {.name = "node PS256",
     .alg = "PS256",
     .n = "8kO8BrSAiArxcvh4yDEnXH9RpmoGy-tzMohSrMVBA3pxlvfiLPd1bOuHBlYfaHaDrZ5I4nL1GjgQXewoITe_e-2TbQ"
          "_ttaB8MDvgQ6PM8ugQ8cVD1q6Yx2drHEOJaLW88XkPtKtNveDm7H-fLU8nONxa_-M6sWYn_xbEazDDYj8mlabg_eeQ"
          "PlPRkcLkSGOUPmANY15FwiU9VefokL9w7z8ildU9PQvLXb34V_brXLsDanQ6KMLg778B-m3bgEuSRHkh2ZFXZJ7qNK"
          "vKWYUo4pLnfJtN1AHE0qim3mkpVLmBuR-Vk3sTTITjrJys2FD8d6NaOpjPDvUMWIQyhvUfIw",
     .e = "AQAB",
     .token = "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJub2RlIiwic3ViIjoic29tZW9uZSIsImV4cCI6NDEwM"
              "jQ0NDgwMH0.yXyZZLLTM_AEfOdTWaSMKvjaC6MLgvRMOLYIyjJiNvA-_Hj7nu4Nec_0HJXMZGQVlylACu4yklttOH4"
              "zl89MVVo2EOw9Ek6WQ_lzh-vhJneZgbcvqdNLuUaGst0C5OgXWE86SlRbnMSzx4SqhtuftWWOuxFtCL5deJV2htlSi"
              "uGmmsj6RtT0XABpBwRAXdeqa8v1viJny50TdoL23hjQFt-rIom7QUxz3qMBMFTlwax4mOMCY9FJ7brYD97DXRhFP6R"
              "HXEW1ntf9WldbyTgyepw-fUng-M3tzjY5m_OqFTEZYS6Dj2um4TvwlMecxbCkF3oz9zeOkcwdFHugmCbQaQ"},
    {.name = "node ES256",
     .alg = "ES256",
     .x = "qFWs2oO1rWmmpYID6F3vNbFUj1h6WUAPHvftlYkScNo",
     .y = "Zi2i8e8Py-_9kd45QxwfeM_98Y46fVDmuhqzNvbWRKY",
     .token = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJub2RlIiwic3ViIjoic29tZW9uZSIsImV4cCI6NDEwM"
              "jQ0NDgwMH0.AX-b_DuUm3aqMSe6Of2iLxniOeopwKGeS0XU_nQYwgwSWqMnWwA8jvGjhFQzr9INU3UefF4IwwB7qqx"
              "8ztzWmg"},
    {.name = "node HS384",
     .alg = "HS384",
     .k = "JYY1Mj7l_FtDgqH8mJ_rQa27w5fBrDTmiNzIgzYDu85V4dsQtlxcHWn-1bCBKxNH",
     .token = "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJub2RlIiwic3ViIjoic29tZW9uZSIsImV4cCI6NDEwM"
              "jQ0NDgwMH0.flG86-IvHbKFnwGSkU50utmmB9z-6IoOMGDCMvf2t6pl6XzNEWcICdulF5DCEzEA"},
    {.name = "node RS384",
     .alg = "RS384",
     .n = "8kO8BrSAiArxcvh4yDEnXH9RpmoGy-tzMohSrMVBA3pxlvfiLPd1bOuHBlYfaHaDrZ5I4nL1GjgQXewoITe_e-2TbQ"
          "_ttaB8MDvgQ6PM8ugQ8cVD1q6Yx2drHEOJaLW88XkPtKtNveDm7H-fLU8nONxa_-M6sWYn_xbEazDDYj8mlabg_eeQ"
          "PlPRkcLkSGOUPmANY15FwiU9VefokL9w7z8ildU9PQvLXb34V_brXLsDanQ6KMLg778B-m3bgEuSRHkh2ZFXZJ7qNK"
          "vKWYUo4pLnfJtN1AHE0qim3mkpVLmBuR-Vk3sTTITjrJys2FD8d6NaOpjPDvUMWIQyhvUfIw",
     .e = "AQAB",
     .token = "eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJub2RlIiwic3ViIjoic29tZW9uZSIsImV4cCI6NDEwM"
              "jQ0NDgwMH0.2bVNVGHHbHvszT4bYu8q2PH8DfmIipFNZR3pWr-XgpShvp9hSrWcO609CVtGsIdWXUunJet4YtTly9k"
              "Lhf-aoqhuLNFEyq1ZsO_Nfhoqe53ekqSRCYiMW0p9PhuvGV0KrZoBY3NhI7dWsNU2608gXCQfYdHm_3mIIZ8jzihpx"
              "T1Mu3XHNe2uvjbocLHJ3lf62GEADumR0nx-xajmbI-t0vL1N04iDskxdv1ytKgKrJlio4vcmwfkPSsRUTRVkjidNIH"
              "2kXZLBJkjEBZMRREvapHvcJpsJ1cNddIoKcnwW6W7ao6U_DC5DRA5aTELPITf5VPmb0Zt4KWTmcbugnepQQ"},
    {.name = "node PS384",
     .alg = "PS384",
     .n = "8kO8BrSAiArxcvh4yDEnXH9RpmoGy-tzMohSrMVBA3pxlvfiLPd1bOuHBlYfaHaDrZ5I4nL1GjgQXewoITe_e-2TbQ"
          "_ttaB8MDvgQ6PM8ugQ8cVD1q6Yx2drHEOJaLW88XkPtKtNveDm7H-fLU8nONxa_-M6sWYn_xbEazDDYj8mlabg_eeQ"
          "PlPRkcLkSGOUPmANY15FwiU9VefokL9w7z8ildU9PQvLXb34V_brXLsDanQ6KMLg778B-m3bgEuSRHkh2ZFXZJ7qNK"
          "vKWYUo4pLnfJtN1AHE0qim3mkpVLmBuR-Vk3sTTITjrJys2FD8d6NaOpjPDvUMWIQyhvUfIw",
     .e = "AQAB",
     .token = "eyJhbGciOiJQUzM4NCIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJub2RlIiwic3ViIjoic29tZW9uZSIsImV4cCI6NDEwM"
              "jQ0NDgwMH0.WBogwI8XTOZw1lBEAL-BNFeNHAq3YYVn0Z8XOuDGy0IVBAcyOtA7lmTjPkVXDDUZOj6d3WUxND17XGj"
              "3fJ1yn3-eTtUohSbHcZ_lpIbWZdTvj16kBa2cQhXY2SCpnCEi6fWpjwT1Ja2IXYfoj71yB9ctQhLOLeHSlM_-bbk0l"
              "HHDeAoEveQemLIHr4aQiCM4o4naPiw_4a4YEwLeIeuNC_bOv91-1vIo0qF4dNy4tdhZ5uoEM2BgoFO6xM7kqTQJS37"
              "pKUMUJdxCuac3Ija9FPU42kqsXJkzGw9acjUe_oaWa3K80WLRTIVWB8zk9XMDCxaK2u3AlnWy2MM4tzYfdg"},
    {.name = "node ES384",
     .alg = "ES384",
     .x = "s6GDLQS6svlzUqxl8InS5nuXx_5pCwYped2HyIe9lOa9HZ0Lw0gPybtumDR5xHD_",
     .y = "Ek0Z5IyRMGEFy6astXcknum10F9MSPyLsKfidWpFLWaT_jtirDLDYc8v6zMjvXaW",
     .token = "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJub2RlIiwic3ViIjoic29tZW9uZSIsImV4cCI6NDEwM"
              "jQ0NDgwMH0.eOVSFYXYCjws6oA-gvYfKEb5xGGEbq6aaqd4TKexgiIDYX57uBOHGM3RRVNTzBC9PzBqAcIzXrVH6g_"
              "_o9Psrorpfy4Q5WJFShpyK-4jcGzcOg3denwjgbbxYlMcHxTA"},
    {.name = "node HS512",
     .alg = "HS512",
     .k = "m2_kzLAamS-oSXqK-d5BAz3hDGV3Ikc-I01LsB1hUQ-z2piKj4dh3uOw_KAbIEyN5uS99DcapjmjHzxKiOzD3g",
     .token = "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJub2RlIiwic3ViIjoic29tZW9uZSIsImV4cCI6NDEwM"
              "jQ0NDgwMH0.NBl45UPrhMlzZA4VRIlrXdCOlbwbYNNBeKph-veMuL_TAP_hhRS0KVR6wS1uBJbX_MSPrKX7aFE0HVQ"
              "DdwvLGw"},
    {.name = "node RS512",
     .alg = "RS512",
     .n = "8kO8BrSAiArxcvh4yDEnXH9RpmoGy-tzMohSrMVBA3pxlvfiLPd1bOuHBlYfaHaDrZ5I4nL1GjgQXewoITe_e-2TbQ"
          "_ttaB8MDvgQ6PM8ugQ8cVD1q6Yx2drHEOJaLW88XkPtKtNveDm7H-fLU8nONxa_-M6sWYn_xbEazDDYj8mlabg_eeQ"
          "PlPRkcLkSGOUPmANY15FwiU9VefokL9w7z8ildU9PQvLXb34V_brXLsDanQ6KMLg778B-m3bgEuSRHkh2ZFXZJ7qNK"
          "vKWYUo4pLnfJtN1AHE0qim3mkpVLmBuR-Vk3sTTITjrJys2FD8d6NaOpjPDvUMWIQyhvUfIw",
     .e = "AQAB",
     .token = "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJub2RlIiwic3ViIjoic29tZW9uZSIsImV4cCI6NDEwM"
              "jQ0NDgwMH0.IPwRFawlsfs3-57EjLwK5HuJh2-T1k-19A7dDF8pnx6PcBBUYdq6_nW1c0OuTD8H507ub1g07KgE-XU"
              "cR9o6Pvp72n0-5PnNTGoGDJRKtHkJ5VpVB4pj7iOJEWBQD5kyYEqeIG07TH91Z77I6tlt_ZAiRAkBld4EcPu04iOc0"
              "wmGDKLuYjwlm9TZrUTbT-ASKThpHNYdu6FRd7IGdUIHVwOsFaHPkNB3bGdZSjjT9x1BFRnZKNtF62GoJ7cbg2pPo2a"
              "OnDPLToL-EQRyDUNYe-F6-Jbo5oQByXSLFYs55y9c7sd-vV8ErWYVJl9e17Sd55UWHFNopmnfKVx2nZ65yQ"},
    {.name = "node PS512",
     .alg = "PS512",
     .n = "8kO8BrSAiArxcvh4yDEnXH9RpmoGy-tzMohSrMVBA3pxlvfiLPd1bOuHBlYfaHaDrZ5I4nL1GjgQXewoITe_e-2TbQ"
          "_ttaB8MDvgQ6PM8ugQ8cVD1q6Yx2drHEOJaLW88XkPtKtNveDm7H-fLU8nONxa_-M6sWYn_xbEazDDYj8mlabg_eeQ"
          "PlPRkcLkSGOUPmANY15FwiU9VefokL9w7z8ildU9PQvLXb34V_brXLsDanQ6KMLg778B-m3bgEuSRHkh2ZFXZJ7qNK"
          "vKWYUo4pLnfJtN1AHE0qim3mkpVLmBuR-Vk3sTTITjrJys2FD8d6NaOpjPDvUMWIQyhvUfIw",
     .e = "AQAB",
     .token = "eyJhbGciOiJQUzUxMiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJub2RlIiwic3ViIjoic29tZW9uZSIsImV4cCI6NDEwM"
              "jQ0NDgwMH0.RIc3g8MCUVLbV71qP2j3ql_LGJBgAFf2nLkjl8TVQTUpDAdNRA_CWPtIepefhD06cdEXm7tZooklT1s"
              "WkQ3VV0Wf-UuvfFZyL23ZNjpjfKW9hIhLEe1E6kMlmmRen4UCj7CePHYBi_qF1indK2ha9Yz8U422UquIDxQHeKenB"
              "mJlRno7y2TkNZILqKzFvXrBfUIXwZACcBnMXPsOXvaUdi9WLeCRkToNx9nKftJSEUGQyTTes9d2j3YNCztyuhx_sGs"
              "pqnfsMgqGeUEpNkBtOuVtqFzTkBJgbOiwQYKZaGzCyPv3dUvcucCbODtx-1mSqazRv-DOqi8XPozAhVv21A"},
    {.name = "node ES512",
     .alg = "ES512",
     .x = "AZnijLpYYCULrTrSDRq_Gxu7ogwkzfg1jeiSeqcxrmu4LNfF6MptWTOSiCpUiNXpmr5avLqIzTEqDr9Q0XndTQ6i",
     .y = "AQdrqYRw2p3KrgtaZ5FwqA3jRtmhuj4U1whvUC2hpH8CIun9XNykVpKUOw6lu1t59sdWFHdkk0bgq4g_-BWY7o7D",
     .token = "eyJhbGciOiJFUzUxMiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJub2RlIiwic3ViIjoic29tZW9uZSIsImV4cCI6NDEwM"
              "jQ0NDgwMH0.AGLXom5K5YdU9r2V3-ruRfUPG4lIkFmR8safDXv0TPtvLMF1LDSY4yP_reJjPYu3NnNUqOK6jkG1x5u"
              "GIf8VuIe-AHF1J_xuyATSVyrhqP06ORHzFawTIvDIMWb2U3f4GnehhO79qv-xzumkwc_WbBs0pqSPAWPPM5KxSv6ce"
              "ejFZUCV"},
    {.name = "node EdDSA",
     .alg = "EdDSA",
     .x = "MQKY-985MsoVZBMJXWoO8FR1fAp_d-dA8dQwTtkvOeY",
     .token = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJub2RlIiwic3ViIjoic29tZW9uZSIsImV4cCI6NDEwM"
              "jQ0NDgwMH0.CtDZMojKUUw9Gi7SdunRmBwB9o1oYcwwG8owrvPNj7N-mISPaHcBISPjs-wBcJ5lyTVy529mE3Edjbq"
              "2yJSTAw"},
};

#endif
