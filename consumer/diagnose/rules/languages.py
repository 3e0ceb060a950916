"""Rules in other languages for what is broken: phrases without accents, and fragments for scripts without spaces."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import (
    BILLING,
    CONCIERGE,
    IF_IDEMPOTENT,
    IMAGE,
    NOW,
    REPAIR,
    SCHEMA,
    STALL,
    TIMEOUT,
    VOICE,
)

RULES: Final[tuple[Rule, ...]] = (
    rule(
        "languages.timeout",
        6,
        TIMEOUT,
        IF_IDEMPOTENT,
        says="""
            verbindung * zuruckgesetzt|beendet; zuruckgesetzt; conexion * restablecida|reiniciada; conexao
            redefinida; connexion * reinitialisee|fermee; connessione * interrotta|chiusa; nicht erreichbar; no
            disponible * servidor; servidor * no; tiempo de espera|respuesta; tiempo * agotado|excedido|superado;
            agoto el tiempo; tempo limite|esgotado|esgotou; tempo de espera|resposta; delai *
            depasse|expire|attente; delai d attente; temps d attente; delai|temps|requete|connexion|attente * a
            expire; timeout|zeit|zeitlimit|frist|wartezeit|zeitraum * abgelaufen|uberschritten;
            antwort|verbindung|anfrage * abgelaufen; wartezeit auf|fur|beim|zum; plazo|tiempo|espera *
            caducado|caduco|vencio; espera * caducado|agotada|agotado|excedida; tiempo|plazo|espera *
            expirado|vencido|agotado; tempo|prazo * expirado|expirou; czas * uplynal|minal|przekroczony; uplynal *
            czas; suresi doldu; zeituberschreitung; zeitlimit; zeituberschritten; keine antwort; antwortete nicht;
            antwortet nicht; zu lange; tempo scaduto; timeout scaduto; tempo di attesa; zaman asimi; przekroczono
            limit czasu; limit czasu; превышено время|ожидание; время
            ожидания|ответа; таимаут; тайм аут; истекло время; не
            отвечает; не ответил; не удалось
            подключиться|соединиться; нет соединения|ответа; no se pudo
            conectar; nao foi possivel conectar; impossible de se connecter; verbindung
            fehlgeschlagen|zeituberschreitung; impossibile connettersi; connection refusee; temps depasse; sin
            respuesta; no respondio; sem resposta; nao respondeu; pas de reponse; n a pas repondu; ne repond pas;
            nessuna risposta; conexion * rechazada|interrumpida|cerrada|perdida; conexao *
            recusada|interrompida|perdida|fechada; verbindung *
            abgebrochen|verweigert|unterbrochen|abgelehnt|getrennt; connexion * refusee|interrompue|perdue;
            соединение * прервано|сброшено|разорвано|отклонено;
            connessione * rifiutata|interrotta; waktu habis; het antwoord duurde te lang; forzar|forzo cierre;
            conexion * cerrada|reiniciada por; conexao * fechada|redefinida|encerrada|reiniciada; verbindung *
            geschlossen|zuruckgesetzt|getrennt; remotehost * geschlossen|getrennt; connexion *
            coupee|reinitialisee|fermee|interrompue; connessione * chiusa|ripristinata|persa|scaduta; ha chiuso la
            connessione; polaczenie|polaczenia * zerwane|zerwano|zamkniete|przerwane|zresetowane|utracone;
            baglanti|baglantisi * sifirlandi|kesildi|kapatildi|koptu; zaman asimina; zamaninda yanit; sunucu *
            yanit; nazwy * rozpoznac|rozwiazac|znaleziona; nie mozna rozpoznac|rozwiazac; remotename|hostname|name *
            aufgelost; hote * inconnu|introuvable; nom ou service inconnu; nombre o servicio desconocido; nome ou
            servico desconhecido; nome o servizio sconosciuto; nieznana nazwa; bilinmeyen ad|sunucu; host
            desconocido|desconhecido|sconosciuto; red inalcanzable; rede inacessivel; reseau
            inaccessible|injoignable; netzwerk nicht erreichbar; rete non raggiungibile; siec *
            niedostepna|nieosiagalna; ag erisilemez|ulasilamaz; temps imparti; hors delai; nicht rechtzeitig; fuera
            de plazo; tempo excedido; limite de tempo; limit czasu|oczekiwania; czasu oczekiwania; czas oczekiwania;
            zeitlimit; zeituberschreitung; timed out de|von; tuberia rota; pipe rompido; datenubergabe unterbrochen;
            relais brise; przerwany potok; verbinding * verbroken|gesloten; соединение *
            закрыто|потеряно; превышен интервал|таимаут|лимит
            времени; истек таимаут|срок ожидания;
            antwortzeit|bearbeitungszeit|verarbeitungszeit|reaktionszeit|haltezeit|laufzeit|anfragezeit|verbindungszeit|zeitfenster|wartefrist|antwortfrist
            * abgelaufen|uberschritten
        """,
        holds="""
            超时; 逾時; 超時; 响应超时; 连接被拒绝; 连接中断; 网络异常; 连接被; 连接超时; 连接失败; 连接断开;
            对端关闭; 网络错误; 无法连接; タイムアウト; 接続できません; 接続に失敗; 接続エラー; つながりません;
            時間切れ; 応答がありません; 接続が拒否; 接続が切断; 시간 초과; 시간초과; 타임아웃; 응답 없음; 응답이 없;
            연결이 끊; 연결 거부; انتهت مهلة; انتهاء المهلة; مهلة الطلب; انقطع الاتصال; लोक नहीं; समय समाप्त;
            टाइमआउट; समय सीमा; หมดเวลา; אזל הזמן; زمان انتظار; انتهى وقت; リセットされ; 切断されました; 接続が切れ;
            接続が閉じ; 名前解決; 名前を解決; ホストが見つかり; 强迫关闭; 连接已重置; 连接重置; 连接被重置;
            域名解析; 解析主机; 无法解析主机; 未收到; 没有收到; 网络不可达; 通信が途絶; 応答なし; 期限切れで中断;
            연결이 재설정; 연결 재설정; 이름을 확인할 수; إعادة تعيين الاتصال
        """,
        example="El servidor: tiempo de espera agotado",
    ),
    rule(
        "languages.refused",
        7,
        TIMEOUT,
        NOW,
        says="""
            verbindungsaufbau|verbindung abgelehnt|verweigert; zielcomputer die verbindung verweigerte; konnte keine
            verbindung hergestellt; connexion refusee; aucune connexion n a pu; expressement refusee; conexion
            rehusada|rechazada|denegada; no se puede establecer una conexion; denego expresamente; connessione
            rifiutata; impossibile stabilire la connessione; rifiuto persistente; conexao|ligacao
            recusada|rejeitada; nenhuma conexao pode ser feita; recusou|recusaram ativamente; verbinding geweigerd;
            geen verbinding maken; actief heeft geweigerd; polaczenie odrzucone|odmowione; nie mozna nawiazac
            polaczenia; aktywnie go odmawia; в соединении отказано; соединение
            отклонено; подключение не установлено; отверг запрос на
            подключение; forbindelse vagras; forbindelse vagrad; anslutning vagrades|nekades;
            anslutningen vagrades|nekades|avvisades; baglanti reddedildi|kurulamadi; etkin olarak reddettiginden;
            spojeni odmitnuto; spojeni bylo odmitnuto; kapcsolat elutasitva; a kapcsolat elutasitva; yhteys
            torjuttiin|evattiin; forbindelse|forbindelsen afslaet|afvist|avslatt|nektet; oppkobling nektes;
            conexiune|conexiunea refuzata; ket noi bi tu choi; koneksi ditolak; sambungan ditolak;
            verbindung|verbindungsaufbau|verbinding|connexion|conexion|conexao|ligacao|connessione|polaczenie|polaczenia|соединение|подключение|forbindelse|forbindelsen|tilkobling|tilkoblingen|anslutning|anslutningen|baglanti|spojeni|pripojeni|kapcsolat|yhteys|conexiune|conexiunea|veza|povezava
            *
            abgelehnt|verweigert|geweigerd|refusee|rehusada|rechazada|denegada|recusada|rejeitada|rifiutata|odrzucone|odmowione|отказано|отклонено|отвергнуто|vagras|vagrades|nekades|avvisades|reddedildi|odmitnuto|odmitnuta|elutasitva|elutasitottak|torjuttiin|evattiin|afvist|afslaet|avslatt|avvist|nektet|refuzata|odbijena|zavrnjena
        """,
        holds="""
            拒绝连接; 连接被拒绝; 积极拒绝; 接続を拒否; 接続が拒否; 拒否されたため、接続; 연결이 거부; 연결을 거부;
            연결 거부; ปฏิเสธการเชื่อมต่อ; تم رفض الاتصال; رفض الاتصال; कनेक्शन अस्वीकार; החיבור נדחה; ההתחברות
            נדחתה; αρνηση συνδεσης; η συνδεση απορριφθηκε
        """,
        example="Verbindungsaufbau abgelehnt",
    ),
    rule(
        "languages.no-answer",
        6,
        TIMEOUT,
        IF_IDEMPOTENT,
        says="""
            non ha risposto; non risponde; antwortet|antwortete nicht innerhalb; nao respondeu; no respondio; n a
            pas repondu; не ответил|отвечает|ответила; nicht geantwortet; yanit
            vermedi|vermiyor; nie odpowiada|odpowiedzial; antwoordt|antwoordde niet; svarade|svarar inte;
            svarer|svarede ikke; neodpovida|neodpovedel; nem valaszol
        """,
        holds="没有响应; 未响应; 无法连接到服务器; 無応答; 응답하지 않",
        example="Il servizio non ha risposto",
    ),
    rule(
        "languages.schema",
        5,
        SCHEMA,
        REPAIR,
        says="""
            ne respecte pas; format attendu; valeur recue; no cumple|coincide; formato esperado; no respeta; nao
            corresponde; nicht dem format; erwartet * erhalten; non rispetta|corrisponde; valore non;
            campo|campos|parametro|propiedad|propriedade|champ|champs|parametre
            feld|obligatorio|obligatoria|obrigatorio|obrigatoria|requerido|obligatoire|requis|manquant|ausente|faltante|invalido|invalide|mancante;
            campo * obligatorio|obrigatorio|requerido|ausente|invalido|mancante|obbligatorio; champ *
            obligatoire|requis|manquant|invalide; falta el|la|o|un campo|propiedad|parametro;
            validacion|validacao|validation|validazione|validierung *
            fallo|fallida|falhou|echouee|echoue|fallita|fehlgeschlagen; error|erro|erreur|errore de|di|no|na
            validacion|validacao|validation|validazione; tipo|formato|format|typ
            invalido|invalide|ungultig|incorrecto|incorreto|errato|inesperado|non; esperado * recebido|recibido;
            debe|deben|deve|devono|devem|doit|doivent|muss|mussen *
            numero|nombre|entier|texto|texte|testo|fecha|data|date|lista|liste|zahl|ganzzahl|zeichenkette|datum;
            pflichtfeld; feld * fehlt|ungultig|erforderlich; ungultiges|ungultiger|fehlerhaftes
            format|json|feld|typ|wert|schema; schema * verletzt|nicht; json invalido|invalide|non|ungultiges; no es
            un json|numero; n est pas un|valide; nao e um; не валидный|валиден;
            обязательное|обязательный поле|параметр; отсутствует
            обязательное|поле|параметр;
            неверный|некорректный|недопустимый
            формат|тип|json|параметр|значение; ошибка
            валидации|проверки|разбора|парсинга; не удалось
            разобрать|распарсить|прочитать;
            ожидался|ожидалась|ожидались; ожидалось *
            получено|получена; не соответствует * схеме; stimmt nicht *
            schema|uberein; entspricht nicht; schema di; esquema; schemafehler; schema gema; pole *
            wymagane|obowiazkowe|puste; jest wymagane|wymagany|wymagana;
            nieprawidlowy|niepoprawny|bledny|nieprawidlowa|nieprawidlowe format|wartosc|typ|data|pole|parametr|json;
            brakuje pola|parametru; brak pola|parametru|wymaganego; alani|alan
            zorunludur|zorunlu|bos|eksik|gecersiz; zorunlu alan; gecersiz deger|format|tarih|parametre|json|veri;
            debe|deve|doit|muss|musi|deve essere ser|etre|una|um|uma|un|eine|ein|byc *
            numero|nombre|zahl|fecha|data|date|datum|liczba|texto|texte|text|entero|inteiro|entier; no tiene el
            formato|formato; format * invalide|incorrect; ungultiger|ungultige wert|werte|eingabe|datum|angabe;
            erwartet wird|wurde; wert * ungultig|fehlt|zu; ist ein pflichtfeld; darf nicht leer; nao pode ser
            vazio|nulo; no puede estar|ser vacio|nulo; ne peut pas etre|peut vide|nul; non puo essere; verplicht
            veld; ongeldige waarde|indeling; valor * invalido|incorrecto|esperado|permitido; valeur *
            invalide|incorrecte|attendue
        """,
        holds="""
            格式错误; 格式不正确; 校验失败; 验证失败; 参数错误; 缺少必填; 缺少参数; 缺少字段; 必填; 解析失败;
            无法解析; 字段; 类型错误; 非法参数; 无效的参数; スキーマ; 検証エラー; 必須; バリデーション; 不正な値;
            解析に失敗; パースに失敗; フォーマットが不正; 形式が正しくありません; 스키마; 유효성 검사; 필수; 형식이
            잘못; 형식이 올바르지; 파싱; مخطط; التحقق من صحة; حقل مطلوب; الحقل; غير صالح; तत्व अमान्य; अमान्य; स्कीमा;
            आवश्यक फ़ील्ड; फ़ील्ड; 缺失; 不能为空; 格式有误; 类型不匹配; 无效的; 非法; 不合法; 入力されていません;
            入力してください; 形式が; 不正な; 値が無効; 잘못된; 누락; 비어 있을 수 없
        """,
        example="Falta el campo importe",
    ),
    rule(
        "languages.stall",
        5,
        STALL,
        REPAIR,
        says="""
            atascado|atascada|bloqueado|bloqueada|trancado|travado|travada|parado|parada|colgado|colgada|congelado;
            no avanza; nao avanca; sin avanzar|progreso; sem progresso; se quedo; quedo|quedado; ficou;
            bloque|bloquee|coince|coincee|fige|figee; n avance; ne progresse; reste bloque|bloquee|en; hangt;
            hangen; hangengeblieben; steckt; feststeckt; festgefahren; blockiert; eingefroren; kein fortschritt;
            kommt nicht weiter; lauft endlos|seit; seit stunden; bloccato|bloccata|incastrato|fermo|ferma; in coda;
            en cola; na fila; en file d attente; in der warteschlange; в очереди; nessun esecutore|worker;
            non avanza|procede;
            завис|зависла|зависло|зависает|зависание|застряла|застряло|застревает|висит;
            не продвигается|двигается|выполняется|завершается; без
            прогресса; ohne fortschritt; takildi; zawiesil|zawiesza; utknal; macet; vastgelopen; hace
            horas; ha horas; depuis des heures; da ore; desde hace; continua|segue|permanece em|na|no
            processamento|fila|execucao|espera|andamento; continua|sigue en proceso|cola|espera|ejecucion|curso;
            toujours en cours|attente|file; signe de vie; depuis|da|seit|od|vor
            hier|gestern|ieri|wczoraj|tagen|jours|giorni|stunden|heures|ore; desde ontem|ayer|anteontem|anoche;
            lauft|laufen immer|noch|seit; wisi; wisza; zawieszone|zawieszony; stoi w; nie posuwa|rusza|konczy;
            ilerlemiyor; takili; saatlerdir; gunlerdir; beklemede; ha|hace|faz
            dois|tres|dos|varios|varias|muchas|muitas|algumas|algunas dias|horas; fica|ficou|ficam
            em|na|parado|parada|travado|presa; se queda|quedo en|colgado|colgada|parado; queda|quedan en
            cola|espera|estado; bleibt|bleiben in|auf|stehen|hangen|liegen; reste|restent en|bloque|bloquee;
            resta|restano in|bloccato|fermo; blijft|blijven hangen|in|op; geht nicht weiter|voran|vorwarts; no
            termina|acaba nunca; nao termina|conclui|sai|anda; ne se termine|finit pas|jamais; kuyrukta; dunden
            beri; saatten|gunden|saattir|gundur beri|bekliyor; bekliyor; beklemede kaldi; ilerleme yok;
            donmus|dondu|kilitlendi; stoi|stoja od|w|na|w miejscu; utkn|utknelo|utknela; nie postepuje|rusza; brak
            postepu; od godzin|dni|wczoraj|rana|tygodnia; steht|stehen seit|auf|still|immer; still steht; kommt *
            nicht heraus|weiter|voran; seit gestern|heute|tagen|stunden|montag; depuis hier|ce|heures|jours|lundi;
            bloque|bloquee|bloques a|sur|en|depuis; lleva|llevan * horas|dias|sin|parado|colgado|en; sin avanzar; no
            avanza; nao anda|sai|avanca; fila|cola|queue|coda nao|no|ne|non anda|avanza|bouge|avance; ha|hace|desde
            dias|horas|ontem|ayer|semana; parou|parado|travou em|na|no|desde; fermo|ferma|bloccato|bloccata
            a|da|in|alla; non si muove
        """,
        holds="""
            还没有结束; 还没结束; 仍未完成; 仍未结束; 跑了; 一直没有; 没有更新; のままで; のまま変わ; 一晩中;
            終わらな; 끝나지 않; 그대로; 排队中; 一直排队; 迟迟; 没有动静; 没反应; 始终处于; 待機したまま;
            キューに入ったまま; 待機中のまま; 応答しなくな; 계속 대기; 대기열에; 대기 상태; 반응이 없; 卡住; 卡死;
            卡在; 卡了; 一直卡; 堵塞; 挂起; 无响应; 不动; 停滞; 没有进展; 一直在跑; 一直处于; 死锁; 僵死; 阻塞;
            停止响应; 停止しています; 停止した; 止まった; 止まって; 進まない; 進みません; 固まっ; 滞留; ハング;
            スタック; 멈춤; 멈춰; 멈췄; 멈추; 진행되지; 진행이; 중단된; 교착; عالق; عالقة; متوقف; توقف; لا يتقدم;
            अटक; रुका; रुक ग; ค้าง; תקוע; 心跳; ハートビート; 하트비트; 停在; 停留在; 一直停; 卡住了; 没动; 没进展;
            几个小时; 昨天起; 进度不变; 進んでいません; 進んでいない; 止まったまま; 動きません; 動かない; 昨日から;
            変わらない; 멈춰 있; 진행 중인 상태; 어제부터
        """,
        example="El flujo quedó parado",
    ),
    rule(
        "languages.image",
        5,
        IMAGE,
        says="""
            imagen; imagenes; imagem; imagens; immagine; immagini; bild; bilder; bildes; изображение;
            изображения; изображении; картинка; картинки; картинку;
            фото; resim; gorsel; obraz; obrazu; gambar; afbeelding; miniatura; vorschaubild; foto; fotos;
            titelbild; bildgenerierung; vignette; illustrations; генерация
            изображения|изображении; рендер
        """,
        holds="""
            图片; 图像; 生图; 出图; 绘图; 画图; 缩略图; 封面; 插画; 画像; イメージ; サムネイル; 写真; 이미지; 그림;
            썸네일; 사진; الصورة; صورة; छवि; चित्र; तस्वीर; รูปภาพ; תמונה; تصویر; 圖片
        """,
        example="Das Bild fehlt",
    ),
    rule(
        "languages.voice",
        5.5,
        VOICE,
        says="""
            voz; vozes; voces; voix; stimme; stimmen; voce; voci; голос; голоса; голосовой;
            озвучка; озвучки; озвучку; речи; синтез|синтеза речи;
            sprachausgabe; sprachsynthese; sprachgenerierung; tondatei; audiodatei; sintesis de|del? voz|habla;
            sintese de|da? voz|fala; synthese vocale; sintesi vocale; аудио; аудиофаил; звук; ses;
            dzwiek; suara; stem; habla; fala; narracion; narracao; locucion; locucao; tonspur; hangbuch; parole
        """,
        holds="""
            语音; 音频; 声音; 配音; 朗读; 转录; 音色; 語音; 音声; ボイス; ナレーション; 合成音声; 読み上げ; 음성;
            오디오; 목소리; 보이스; الصوت; صوت; الصوتي; आवाज; आवाज़; ध्वनि; ऑडियो; वॉयस; เสียง; קול; صدا
        """,
        example="Die Sprachausgabe schweigt",
    ),
    rule(
        "languages.billing",
        5.5,
        BILLING,
        says="""
            pago; pagos; factura; facturas; cobro; cobros; cobrado; reembolso; suscripcion; suscripciones;
            facturacion; tarjeta; pagamento; pagamentos; fatura; faturas; cobranca; assinatura; assinaturas; boleto;
            cartao; estorno; cobrada; paiement; paiements; facture; factures; abonnement; remboursement;
            facturation; prelevement; carte bancaire; zahlung; zahlungen; rechnung; rechnungen; abbuchung; abo;
            erstattung; lastschrift; kreditkarte; gutschrift; abrechnung; fattura; fatture; pagamenti; rimborso;
            abbonamento; addebito; carta di; платеж; платежа; платежи; оплата;
            оплаты; оплате; счет; счета; возврат; подписка; подписки;
            подписку; списание; списаны; карта; карты; карту;
            выставлен; odeme; platnosc; faktura; faktury; pembayaran; tagihan; betaling; factuur;
            bezahlung; quittung
        """,
        holds="""
            支付; 扣款; 订单; 发票; 退款; 账单; 付款; 收款; 对账; 订阅; 余额; 信用卡; 請款; 付費; 決済; 支払い;
            支払; 請求; 請求書; 返金; 課金; サブスクリプション; カード; 결제; 청구; 환불; 구독; 인보이스; 카드;
            الدفع; الفاتورة; فاتورة; دفعة; الاشتراك; استرداد; بطاقة; भुगतान; चालान; इनवॉइस; रिफंड; सदस्यता; बिल;
            ชำระเงิน; תשלום; חשבונית; پرداخت
        """,
        example="La factura no llegó",
    ),
    rule(
        "languages.concierge",
        6,
        CONCIERGE,
        says="""
            tischreservierung; zimmerbuchung; hotelbuchung; flugbuchung; terminvereinbarung; terminanfrage;
            reserva|cita|mesa; reserva; reservas; reservar; cita; citas; turno; mesa; agendamento; agendar; huesped;
            huespedes; hospede; reservation; rendez vous; reserver; table pour; buchung; buchen; gebucht;
            reservierung; reservieren; reserviert; termin; termine; terminbuchung; tisch; prenotazione;
            prenotazioni; prenotare; appuntamento; ospite; бронирование; бронирования;
            бронь; забронировать; столик; гостя; гость; встречу;
            rezervasyon; randevu; rezerwacja; rezerwacji; asistente; assistente; asistan; ассистент;
            помощник; агент; assistent; template|modelo|plantilla|vorlage *
            enviado|enviada|enviar|enviando|gesendet|versendet;
            mensagem|mensaje|nachricht|message|messaggio|сообщение * nao|no|nicht|pas|non|не *
            enviada|enviado|gesendet|zugestellt|envoye|inviato|отправлено|доставлено
        """,
        holds="""
            消息发送失败; 短信发送; 邮件发送失败; メッセージを送信でき; メールを送信でき; 메시지 전송; 메일 전송;
            预订; 预约; 预定; 订座; 日程; 会议室; 助手; 预約; 訂位; 予約; アポイント; 会議; アシスタント;
            エージェント; 예약; 회의; 일정; 비서; 에이전트; حجز; الحجز; موعد; المساعد; बुकिंग; आरक्षण; अपॉइंटमेंट;
            सहायक; จอง; הזמנה; رزرو
        """,
        example="La reserva no salió",
    ),
)
