"""Rules in other languages for causes: refused, spent, declined, full, not there, out of step, awaited."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import (
    BILLING,
    CONCIERGE,
    CREDENTIAL,
    IMAGE,
    LATER,
    MONEY,
    NEVER,
    NOW,
    PERSON,
    REPAIR,
    STALL,
    UNKNOWN,
    VOICE,
)

RULES: Final[tuple[Rule, ...]] = (
    rule(
        "languages.unavailable",
        6,
        None,
        LATER,
        says="""
            temporariamente indisponivel; temporalmente no disponible; temporalmente fuera de servicio; servicio no
            disponible; servico indisponivel; temporairement indisponible; service indisponible; vorubergehend nicht
            verfugbar|erreichbar; dienst nicht verfugbar; momentan|derzeit nicht verfugbar; temporaneamente non
            disponibile; servizio non disponibile; временно
            недоступен|недоступна|недоступно; сервис недоступен;
            tijdelijk niet beschikbaar; chwilowo niedostepny|niedostepna; gecici olarak kullanilamiyor; en
            mantenimiento; em manutencao; en maintenance; in wartung; wartungsarbeiten; in manutenzione;
            sicherung|sicherungsschalter|schutzschalter|schaltkreis * offen|ausgelost|geoffnet;
            disyuntor|cortacircuitos|circuito * abierto; disjuntor|circuito * aberto; disjoncteur|circuit * ouvert;
            interruttore|circuito * aperto; spater erneut; mas tarde; mais tarde; plus tard; piu tardi; позже;
            no esta disponible; nao esta disponivel; indisponivel no momento; n est pas disponible; nicht verfugbar
            bitte|versuchen; niedostepna|niedostepny|niedostepne; kullanilamiyor|kullanilamaz; su anda;
            sprobuj|sprobowac pozniej|ponownie; daha sonra tekrar; intentelo|intente|reintente|vuelva mas|a; tente
            novamente|mais; reessayez|reessayer; riprovare|riprova; probeer * later; попробуите
            позже|снова; w trakcie konserwacji; bakim; servis disi; hors service; ausser betrieb; fuera de
            servicio; fora do ar; fuori servizio; не работает
        """,
        holds="""
            熔断; 断路器; サーキットブレーカー; 서킷; 차단기; 暂时不可用; 暂不可用; 服务不可用; 維護中; 维护中;
            一時的に利用できません; メンテナンス中; 일시적으로 사용할 수 없; 점검 중; غير متاح مؤقتا;
            利用できません; サービス停止; メンテナンス; ご利用いただけません; 服务器维护; 系统维护; 服务器繁忙;
            不可用; 稍后; 점검; 이용할 수 없; مؤقتا
        """,
        example="El servicio está temporalmente fuera de servicio",
    ),
    rule(
        "languages.nothing",
        0,
        VOICE,
        NOW,
        firmly=6,
        bound=True,
        says="""
            0 segundos|sekunden|secondes|secondi; 0|zero|zerro|null octet|octets|octeto|octetos|bytes;
            mudo|muda|mudos; muet|muette|muets; stumm|stumme|lautlos; muto|muta; silencioso|silenciosa; silencieux;
            sin sonido|audio; sem som|audio; sans son; ohne ton; kein ton; senza suono; без звука;
            тишина; vacio|vacia|vazio|vazia|vide|leer|leere|vuoto|vuota|пустой|пустая
        """,
        holds="""
            0秒; 是空的; 为空; 没有声音; が空; は空; 소리가; 静音; 空白; 無音; 空の; 0초; 무음; 비어; صامت; فارغ; खाली
        """,
        example="La narración: un archivo mp3 vacío",
    ),
    rule(
        "languages.no-image",
        0,
        IMAGE,
        NOW,
        firmly=6,
        bound=True,
        says="""
            vacio|vacia|vazio|vazia|vide|leer|leere|vuoto|vuota|пустой|пустая; ninguna imagen; nenhuma
            imagem; aucune image; kein bild
        """,
        holds="""
            未找到图像; 没有返回; 空列表; 返回空; 空数组; 没有图; 仅返回文本; 只返回文本; 画像が返され; 空の;
            이미지가 없; 빈 응답; لم يتم إرجاع; खाली
        """,
        example="La imagen vino: lista vacía",
    ),
    rule(
        "languages.not-there",
        7,
        None,
        REPAIR,
        says="""
            no existe; nao existe; n existe pas|plus; existiert nicht; non esiste; не
            существует|найден|найдена|найдено; nicht gefunden; no
            encontrado|encontrada; nao encontrado|encontrada; introuvable; non trovato|trovata; bestaat niet; nie
            istnieje; bulunamadi; ne naideno; brak pliku|katalogu|zasobu; nie ma takiego|takiej; nie
            znaleziono|znaleziony; boyle bir; dosya|dizin|kayit|kaynak * yok|bulunamadi; mevcut degil; inexistente;
            inexistant|inexistante; inesistente;
            desconocido|desconocida|desconhecido|inconnu|inconnue|unbekannt|unbekannte|sconosciuto|sconosciuta|nieznany|nieznana|bilinmeyen;
            gibt es nicht; ist nicht vorhanden; nicht vorhanden; fue eliminado|borrado; foi removido|excluido; a ete
            supprime; wurde geloscht|entfernt; nicht mehr vorhanden; kann * nicht finden; no se encuentra|encontro;
            nao foi encontrado|encontrada; ne trouve pas
        """,
        holds="""
            不存在; 找不到; 未找到; 存在しません; 見つかりません; 찾을 수 없; 존재하지 않; غير موجود; मौजूद नहीं;
            नहीं मिला; 没有那个; 没有找到; 无此; 查无; ありません; 見つから; 없습니다; 존재하지; 삭제된
        """,
        example="La plantilla no existe",
    ),
    rule(
        "languages.out-of-sync",
        7,
        BILLING,
        REPAIR,
        says="""
            sigue pendiente|impaga|abierta; continua|segue pendente|aberta|aberto; pero * pendiente|impaga; figura *
            como pagada|cobrada|pendiente; no coincide; nao bate|confere; ne correspond pas; stimmt|stimmen nicht
            uberein; weicht|weichen ab; steht|ist noch offen; расходится|расходятся; не
            совпадает|совпадают; non corrisponde|corrispondono; fica como; duas vezes; dos veces;
            deux fois; zweimal; due volte; дважды
        """,
        holds="""
            状态未改变; 订单状态; 状态不一致; 不一致; 没有成功回调; 未收到回调; 回调失败; 重复扣款; 一致しません;
            一致しない; 未反映; 反映されて; 불일치; 반영되지; 이중 결제; لا يتطابق; मेल नहीं
        """,
        example="La factura figura como pagada, el pedido no",
    ),
    rule(
        "languages.throttled",
        7,
        None,
        LATER,
        says="""
            demasiadas solicitudes|peticiones; limite de solicitudes|peticiones|taxa|requisicoes|velocidad|tasa;
            muitas solicitacoes|requisicoes; trop de requetes|demandes; limite de debit; zu viele anfragen;
            anfragelimit; troppe richieste; слишком много запросов; превышен
            лимит|предел запросов; лимит запросов; uberlastet; surcharge|surchargee;
            sobrecargado|saturado; перегружен|перегружена; cok fazla istek; zbyt wiele;
            ausgelastet; sobrecarregado; zbyt wiele zadan|prob|polaczen; zbyt czesto; cok fazla|sik istek|deneme;
            asiri istek; limit zadan|zapytan; istek siniri; demasiado rapido|frecuente; trop
            rapide|souvent|frequentes; zu schnell|haufig|oft; muito rapido; te veel verzoeken|aanvragen;
            espere|aguarde|patientez|warten|odczekaj|bekleyin|attendere *
            segundos|instante|momento|secondes|instant|sekunden|moment|chwile|sekund|secondi|saniye|minutos|minuten|minutes;
            bitte warten; veuillez patienter; lutfen bekleyin; prosze czekac; aguarde um
        """,
        holds="""
            限流; 频率限制; 请求过于频繁; 请求过多; 并发; 过载; 繁忙; 负载过高; 稍后再试; 稍后重试; レート制限;
            リクエストが多すぎ; 混雑; 過負荷; しばらくして; 요청이 너무 많; 속도 제한; 과부하; 잠시 후; طلبات كثيرة;
            تجاوز حد; बहुत अधिक अनुरोध; อัตรา; 过于频繁; 太频繁; 访问频率; 超过频率; 请求太多; 操作频繁; 多すぎます;
            頻度; アクセスが集中; 너무 많; 너무 자주
        """,
        example="Zu viele Anfragen in kurzer Zeit",
    ),
    rule(
        "languages.money",
        8,
        None,
        MONEY,
        says="""
            saldo insuficiente; fondos insuficientes; cuota agotada|excedida|superada; sin saldo|creditos; cota
            excedida|esgotada; sem saldo|creditos; creditos insuficientes; solde insuffisant; fonds insuffisants;
            quota depasse|epuise|atteint; guthaben reicht|ist|aufgebraucht; nicht genugend|ausreichend|genug
            guthaben; kontingent; deckung; kein guthaben; credito insufficiente|esaurito; fondi insufficienti;
            недостаточно средств|кредитов;
            исчерпан|исчерпана|исчерпаны лимит|квота|кредиты; квота
            исчерпана|превышена; закончились средства|кредиты; yetersiz
            bakiye; provision insuffisante; saldo insufficiente|niewystarczajace; brak srodkow; niewystarczajace
            srodki; srodkow na; yetersiz bakiye|kredi|fon; bakiye yetersiz; bakiyeniz; kredi kalmadi; nicht gedeckt;
            konto nicht; unterdeckung; solde epuise; credits epuises; sans credit; sin fondos|credito; sem
            fundos|credito; onvoldoende saldo; guthaben * nicht|aufgebraucht|erschopft; abgelaufenes abo; abonnement
            * expire; plan * actualice; kontostand; limit * wyczerpany; kota * doldu|asildi
        """,
        holds="""
            余额不足; 配额; 额度不足; 额度已用; 欠费; 超出限额; 残高不足; クォータ; クレジット不足;
            クレジットが不足; 잔액 부족; 잔액이 부족; 할당량; 크레딧이 부족; رصيد غير كاف; الرصيد غير; शेष राशि;
            कोटा; पर्याप्त बैलेंस; अपर्याप्त; 余额; 额度; 欠费; 充值; 扣费; 残高; 利用枠; 잔액; 크레딧; الرصيد
        """,
        example="Guthaben aufgebraucht",
    ),
    rule(
        "languages.credential",
        6,
        None,
        CREDENTIAL,
        says="""
            no autorizado; credenciales; clave * invalida|incorrecta; token * caducado|expirado|invalido|ha|vencido;
            nao autorizado; credenciais; chave * invalida; acceso denegado; acesso negado; sesion *
            caducado|caducada|caduco|expirada|vencida; sessao * expirada|expirou; vuelva a iniciar; iniciar sesion;
            faca login; reconnectez; melden sie sich|erneut; non autorise; acces refuse; identifiants; cle *
            invalide|expiree; jeton|session|token|certificat|cle * expire|expiree; mot de passe * expire; nicht
            autorisiert; zugriff verweigert; anmeldung fehlgeschlagen;
            token|sitzung|session|schlussel|passwort|kennwort|anmeldung|zugang|berechtigung|lizenz|zertifikat *
            abgelaufen; abgelaufenes|abgelaufene|abgelaufener token|sitzung|schlussel|passwort|zertifikat;
            ungultiger schlussel|token|api; zugangsdaten; non autorizzato; accesso negato; token scaduto; не
            авторизован|авторизирован; доступ запрещен; неверный
            ключ|токен|пароль; токен *
            истек|просрочен|недеиствителен; ошибка
            авторизации|аутентификации; нет доступа|прав; отказано в
            доступе; доступе отказано; sin permiso|permisos; sem permissao; keine
            berechtigung|rechte; yetkisiz; brak autoryzacji; contrasena|contrasenas|senha|senhas|mot de
            passe|kennwort|passwort|haslo|parola|sifre|wachtwoord|пароль *
            incorrecta|incorrecto|incorrectos|incorreta|incorreto|invalida|incorrect|incorrects|falsch|ungultig|bledne|nieprawidlowe|nieprawidlowa|hatali|yanlis|errata|errati|errato|onjuist|неверный|неверен;
            usuario o|ou contrasena|senha; benutzername oder; nom d utilisateur; nome utente; nazwa uzytkownika;
            kullanici adi; identifiant|identifiants incorrect|incorrects|invalides|invalide; credenciales *
            incorrectas|invalidas; dane logowania; uprawnien|uprawnienia; brak uprawnien|dostepu; odmowa dostepu;
            dostep zabroniony; niepoprawne|nieprawidlowe haslo|dane; yetkiniz yok; erisim reddedildi|engellendi;
            oturum * sona|suresi|doldu; sesja wygasla; token wygasl; wygasl|wygasla|wygaslo; oturum acin; zaloguj *
            ponownie; permiso denegado; permissao negada; permission refusee|non; accesso non autorizzato; geen
            toegang; toegang geweigerd;
            autenticacion|autenticacao|autenticazione|authentification|authentifizierung|uwierzytelnianie|uwierzytelniania|kimlik
            * fallida|fallo|falhou|fallita|echouee|echoue|fehlgeschlagen|nie|dogrulama|dogrulamasi|error;
            zugriffstoken|zugangstoken|bearertoken|sicherheitstoken|aktualisierungstoken|benutzersitzung|zugriffsschlussel|zugangsschlussel|apischlussel|dienstkonto
            * abgelaufen|ungultig|gesperrt|widerrufen; token|sessione|chiave|certificato|password|licenza *
            scaduto|scaduta; sessao|chave|certificado|senha * expirada|expirado|expirou
        """,
        holds="""
            未授权; 鉴权失败; 认证失败; 密钥无效; 令牌过期; 令牌无效; 签名错误; 签名验证; 验证签名; 权限不足;
            无权限; 访问被拒; 認証; 未認証; トークンの有効期限; 権限がありません; アクセスが拒否; 인증 실패; 인증에
            실패; 권한이 없; 토큰이 만료; غير مصرح; رمز منتهي; انتهت صلاحية; अनधिकृत; टोकन की अवधि; प्रमाणीकरण;
            密码错误; 用户名或密码; 账号或密码; 登录失败; 登录已过期; 令牌失效; 没有权限; 无权访问; 未登录;
            授权失败; パスワードが; ログインに失敗; ログインして; 権限がない; 許可がありません; APIキーが; 비밀번호;
            로그인; 토큰; 접근 권한; كلمة المرور
        """,
        example="Zugriff verweigert",
    ),
    rule(
        "languages.declined",
        9,
        BILLING,
        PERSON,
        says="""
            tarjeta|pago * rechazada|rechazado|denegada|declinada; cartao|pagamento * recusado|negado|rejeitado;
            carte|paiement * refusee|refuse|rejetee; karte|kreditkarte|zahlung * abgelehnt|verweigert;
            carta|pagamento * rifiutata|rifiutato; карта|платеж * отклонена|отклонен;
            odeme|kart * reddedildi; platnosc|karta|transakcja * odrzucona|odrzucono|odmowa; odeme *
            reddedildi|basarisiz|gerceklesmedi; lastschrift * zuruckgegeben|zuruck|geplatzt|widersprochen;
            rucklastschrift; pago denegado; prelevement * rejete; addebito * respinto; betaling geweigerd; odmowa
            platnosci; zwrot platnosci
        """,
        holds="""
            卡被拒; 银行卡被拒; 支付被拒; 拒绝付款; カードが拒否; 決済が拒否; 拒否されました; 카드가 거절; 거절되었;
            거절됨; رفض البطاقة; تم رفض الدفع; تم رفض العملية; कार्ड अस्वीकार; अस्वीकृत
        """,
        example="Ihre Karte wurde abgelehnt",
    ),
    rule(
        "languages.fraud",
        12,
        BILLING,
        NEVER,
        says="""
            carte * volee|perdue|vole; tarjeta * robada|perdida; cartao * roubado|furtado|perdido; karte *
            gestohlen|verloren; gestohlene karte; carta * rubata|smarrita; карта *
            украдена|утеряна; украденная карта; fraude; betrug; frode;
            мошенничество
        """,
        holds="盗卡; 挂失; 被盗; 欺诈; 盗難; 紛失; 不正利用; 도난; 분실; 사기; مسروقة; احتيال; चोरी; धोखाधड़ी",
        example="Die Karte wurde als gestohlen gemeldet",
    ),
    rule(
        "languages.full",
        9,
        CONCIERGE,
        PERSON,
        says="""
            keine freien|verfugbaren platze|plaetze|termine|tische|zimmer; ausgebucht; sin
            disponibilidad|plazas|mesas; no hay disponibilidad|mesas|plazas|citas|habitaciones;
            completo; sem disponibilidade|vagas|mesas; esgotado; complet; plus de
            place|places|table|chambre; aucune disponibilite; aucun creneau; nessuna disponibilita; al
            completo; esaurito; нет свободных|мест; мест нет; no quedan|hay|queda
            mesas|plazas|habitaciones|citas|sitio|huecos|asientos; nao ha
            vagas|mesas|lugares|quartos|horarios; brak wolnych|miejsc; wolnych
            miejsc|stolikow|pokoi|terminow; bos masa|yer|oda|randevu|koltuk yok; musait degil; dolu;
            kein|keine tisch|zimmer|platz|termin|tische|plaetze|platze|termine * frei|verfugbar|mehr;
            kein * frei; aucune|plus chambre|table|place * libre|disponible; nessun|nessuna
            tavolo|camera|posto; non ci sono posti|tavoli|camere; geen plaats|tafel|kamer *
            vrij|beschikbaar; volgeboekt; мест нет; нет мест
        """,
        holds="""
            满员; 已满; 没有空位; 无可用; 客满; 満席; 満室; 空きがありません; 空きなし; 만석; 예약이 꽉; 빈자리; لا
            توجد أماكن; محجوز بالكامل; उपलब्ध नहीं; 満席; 満室; 空席; 予約でいっぱい; 没有空; 已约满; 已订满; 无空位;
            约满; 예약 마감; 만실
        """,
        example="Leider ausgebucht",
    ),
    rule(
        "languages.approval",
        9,
        UNKNOWN,
        PERSON,
        says="""
            esperando|espera|pendiente|aguardando|pendente|em * aprobacion|aprovacao|revision|revisao; en attente
            d|de approbation|validation|l; wartet auf * freigabe|genehmigung|bestatigung|zustimmung; in attesa
            di|dell approvazione; ожидает|ждет|ожидание *
            одобрения|подтверждения|согласования|утверждения; onay
            bekliyor
        """,
        holds="""
            等待审批; 待审批; 等待批准; 等待确认; 审批中; 承認待ち; 承認を待っ; 승인 대기; 승인을 기다;
            بانتظار الموافقة; في انتظار الموافقة; स्वीकृति की प्रतीक्षा; अनुमोदन
        """,
        against=(STALL,),
        example="Wartet auf die Freigabe, hängt also nicht",
    ),
)
