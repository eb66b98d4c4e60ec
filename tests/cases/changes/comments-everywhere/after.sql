-- above
CREATE /* 1 */ TABLE -- 2 ) ;
  /* 3 */ t /* 4 ( */ ( -- 5 ,
  a /* 6 */ TEXT /* 7 */ NOT /* 8 */ NULL -- 9 )
  , /* 10 */ b INTEGER /* 11 */ DEFAULT /* 12 */ 5 -- 13
  /* 14 */
) /* 15 */ ; -- 16
CREATE /* 17 */ INDEX t_b /* 18 */ ON t -- 19
  (b /* 20 */) -- 21
  WHERE /* 22 */ b > 1 /* 23 */;
